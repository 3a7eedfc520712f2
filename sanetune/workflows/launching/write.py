"""Writes the file of a launch, and says what comes next: what ``sanetune launch`` does."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sanetune import units
from sanetune.atomic import write_text
from sanetune.config.schema import Config
from sanetune.errors import ConfigError
from sanetune.forecast.cost import paid_devices
from sanetune.text import shortest_path
from sanetune.workflows.launching import hf_jobs, kubeflow, local, ray, sky, slurm
from sanetune.workflows.launching.job import Job, slug

Target = Literal["local", "slurm", "sky", "kubeflow", "ray", "hf-jobs"]
TARGETS: tuple[Target, ...] = get_args(Target)

_WRITERS: dict[Target, tuple[Callable[[Job], str], str, str]] = {
    "local": (local.written, ".sh", "bash {file}"),
    "slurm": (slurm.written, ".sbatch", "sbatch {file}"),
    "sky": (sky.written, ".sky.yaml", "sky launch {file}"),
    "kubeflow": (kubeflow.written, ".trainjob.yaml", "kubectl create -f {file}"),
    "ray": (ray.written, "_ray.py", "ray job submit --working-dir . -- python {file}"),
    "hf-jobs": (hf_jobs.written, ".hf-jobs.sh", "bash {file}"),
}
"""Target -> what writes its file, the end of the file's name, and the command that starts it."""
_CARRIED: tuple[Target, ...] = ("sky", "hf-jobs")
"""Targets that bring the configuration's folder to the machine, and nothing else."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for, beside the configuration.

    Attributes:
        on: What starts the run.
        nodes: Machines.
        devices: Devices of each machine; None: run.devices divided by them, else those of budget.devices.
        device: Kind of the device; "": that of budget.devices.
        hours: Most hours; None: budget.max_hours.
        image: Container image.
        workdir: The configuration's folder on the machines; None: as here.
        resume: Whether the run goes on.
        unchecked: The reason to train without a clearance.
        command: As it was typed.
        install: What pip installs sanetune from; "": a wheel in the configuration's folder, where there is one.
    """

    on: Target
    nodes: int = 1
    devices: int | None = None
    device: str = ""
    hours: float | None = None
    image: str = ""
    workdir: Path | None = None
    resume: bool = False
    unchecked: str | None = None
    command: str = ""
    install: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """A file that was written.

    Attributes:
        file: Its path.
        next: The command that starts the run.
        notes: Sentences that the user should be told.
    """

    file: Path
    next: str
    notes: tuple[str, ...] = ()


def write_launch(
    path: Path, overrides: Sequence[str], config: Config, asked: Asked, out: Path | None = None, *, force: bool = False
) -> Launch:
    """Write the file with which ``asked.on`` starts the run of ``config``; nothing is started.

    Args:
        path: The configuration's file.
        overrides: Changes to it, which the run gets too.
        config: It, loaded.
        asked: Where and how it runs.
        out: The file to write; None: named after the run, in the current folder.
        force: Whether a file that is there already is replaced.

    Raises:
        ConfigError: The file is there, or the run cannot be started so.
    """
    job = job_of(path, overrides, config, asked)
    written, ending, following = _WRITERS[asked.on]
    file = out or Path(job.name + ending)
    if file.exists() and not force:
        raise ConfigError(
            f"{str(file)!r} is there already",
            "It may hold your changes.",
            "Write another file with --out FILE, or replace it with --force.",
        )
    if not file.parent.is_dir():
        raise ConfigError(
            f"There is no folder {str(file.parent)!r} for {file.name}",
            remedy="Make it, or write another file with --out FILE.",
        )
    write_text(file, written(job), remedy="Give --out another file.")
    return Launch(file, following.format(file=shlex.quote(str(file))), tuple(_notes(path, config, asked)))


def job_of(path: Path, overrides: Sequence[str], config: Config, asked: Asked) -> Job:
    """Return the job that is asked for; its processes are those that the run is planned for."""
    paid = paid_devices(config.budget.devices)
    devices = asked.devices or _devices(config, asked.nodes, paid.number)
    total = asked.nodes * devices
    if config.run.devices is not None and config.run.devices != total:
        raise ConfigError(
            f"run.devices is {config.run.devices}, but {units.many(asked.nodes, 'machine')} with"
            f" {units.many(devices, 'device')} each have {total}.",
            "Batch size, steps and schedule are planned for run.devices.",
            f"Correct --nodes and --devices, or add run.devices={total}.",
        )
    gpus = not config.train.given.get("use_cpu")
    device = asked.device or (paid.kind or "")
    if asked.on == "sky" and gpus and not device:
        raise ConfigError(
            "SkyPilot needs the name of the device.",
            remedy="Give it as --device, such as H100; `sky gpus list` has the names.",
        )
    words = [_file_word(path), *overrides]
    if config.run.devices is None and total > 1:
        words.append(f"run.devices={total}")
    return Job(
        name=slug(config.run.name or path.stem),
        folder=asked.workdir or path.resolve().parent,
        words=tuple(words),
        nodes=asked.nodes,
        devices=devices,
        gpus=gpus,
        device=device,
        hours=asked.hours or config.budget.max_hours,
        image=asked.image,
        resume=asked.resume,
        unchecked=asked.unchecked,
        install=asked.install or _wheel(path) or "sanetune",
        command=asked.command,
    )


def _devices(config: Config, nodes: int, paid: int | None) -> int:
    if config.run.devices is None:
        return max(1, (paid or 1) // nodes)
    return max(1, config.run.devices // nodes)


def _file_word(path: Path) -> str:
    """The file's name as an argument; one that begins with a hyphen would be an option."""
    return f"./{path.name}" if path.name.startswith("-") else path.name


def _wheel(path: Path) -> str:
    """The newest wheel of sanetune beside the configuration, as it is called from there; "": there is none."""
    wheels = sorted(path.resolve().parent.glob("sanetune-*.whl"), key=lambda one: one.stat().st_mtime)
    return f"./{wheels[-1].name}" if wheels else ""


def _notes(path: Path, config: Config, asked: Asked) -> list[str]:
    folder = path.resolve().parent
    named = [config.model.name, *(source.path for source in config.data.train)]
    away = [one for one in named if Path(one).is_absolute() and not Path(one).is_relative_to(folder)]
    notes = []
    if away and asked.on in _CARRIED:
        notes.append(
            f"{shortest_path(Path(away[0]))} is not in {shortest_path(folder)}, the folder that is uploaded: "
            "give it by a Hub id, or copy it there"
        )
    if asked.on in _CARRIED and not (asked.install or _wheel(path)):
        notes.append(
            "the job installs sanetune with `pip install sanetune`, which is on no package index: give --install "
            "git+URL, or put a wheel (pip wheel --no-deps PATH-OF-SANETUNE) beside the configuration and write it again"
        )
    if asked.on in ("kubeflow", "ray") and asked.workdir is None:
        notes.append(f"the machines must have {folder} (shared, or in the image); --workdir names another folder")
    if asked.unchecked is not None:
        notes.append("the run trains without a clearance, and its model card says so")
    return notes
