"""The folder of a run: its files, and who may write there.

Everything a run leaves behind is in one folder, so that it can be moved, archived or deleted as one thing. This module
is the only place that knows the file names. Opening one is cheap: nothing heavy is imported until versions are
written.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanetune import atomic, run_lock
from sanetune.commands import command
from sanetune.errors import Place, RunError
from sanetune.links import outward_links
from sanetune.run_missing import no_run

PACKAGES = ("sanetune", "torch", "transformers", "trl", "datasets", "accelerate", "peft", "tokenizers", "safetensors")
"""The packages whose versions can change what a run computes."""

_OWN_FILES = (
    "config.yaml",
    "versions.json",
    "data.json",
    "metrics.jsonl",
    "samples.json",
    "comparison.json",
    "forgetting.json",
    "evaluation.json",
    "state.json",
    "watch.json",
    "samples.jsonl",
    "outcome.json",
    "trained.json",
)
_OF_RUNS = frozenset(_OWN_FILES) - {"watch.json"}
"""Those that show a run of ours: the watch writes its report into the folder of anybody's trainer, too."""
_KEPT = ("clearance.json", "proof.json")
"""Written before the run starts, and kept when it starts again: training checks whether they fit, and writes them
anew."""
_OWN_FOLDERS = ("plots", "model", "adapter", "checkpoints", "tensorboard", "steps")


@dataclass(frozen=True, slots=True)
class Run:
    """One run's folder. Building one touches nothing; :meth:`create` and :meth:`open` do."""

    path: Path

    def __init__(self, path: str | Path) -> None:
        object.__setattr__(self, "path", Path(path))

    @property
    def name(self) -> str:
        """The last part of the folder's name."""
        return self.path.resolve().name

    @property
    def config(self) -> Path:
        """The resolved configuration, with where each value came from as comments."""
        return self.path / "config.yaml"

    @property
    def versions(self) -> Path:
        """Versions of Python and of the packages, platform and device."""
        return self.path / "versions.json"

    @property
    def data(self) -> Path:
        """Statistics of the prepared data, and the rows that were dropped or truncated."""
        return self.path / "data.json"

    @property
    def clearance(self) -> Path:
        """The clearance: the run was checked, or why it was not; see :mod:`sanetune.gate.clearance`."""
        return self.path / _KEPT[0]

    @property
    def experiments(self) -> Path:
        """The experiments behind the clearance: overfit, trial, samples and forecast."""
        return self.path / _KEPT[1]

    @property
    def trained_files(self) -> Path:
        """What the files of the tuned model were when training ended; see :mod:`sanetune.gate.trained_files`."""
        return self.path / "trained.json"

    @property
    def metrics(self) -> Path:
        """One line of JSON per record."""
        return self.path / "metrics.jsonl"

    @property
    def plots(self) -> Path:
        """Curves as PNG and SVG."""
        return self.path / "plots"

    @property
    def samples(self) -> Path:
        """Answers written during or after training."""
        return self.path / "samples.json"

    @property
    def outcome(self) -> Path:
        """How the run is forecast to end; see :class:`sanetune.forecast.outcome.OutcomeForecast`."""
        return self.path / "outcome.json"

    @property
    def comparison(self) -> Path:
        """Base and tuned model on the same prompts."""
        return self.path / "comparison.json"

    @property
    def state(self) -> Path:
        """Whether the run is under way, finished, stopped or failed; see :mod:`sanetune.workflows.run_state`."""
        return self.path / "state.json"

    def comparison_with(self, others: Iterable[Run]) -> Path:
        """This run's model beside those of ``others``; :attr:`comparison` without any."""
        paths = sorted({str(run.path.resolve()) for run in others} - {str(self.path.resolve())})
        if not paths:
            return self.comparison
        return self.path / f"comparison-{hashlib.sha256(json.dumps(paths).encode()).hexdigest()[:8]}.json"

    @property
    def votes(self) -> Path:
        """One line of JSON per vote of the blind comparison."""
        return self.path / "votes.jsonl"

    @property
    def evaluation(self) -> Path:
        """What an evaluation harness measured of base and tuned model."""
        return self.path / "evaluation.json"

    @property
    def forgetting(self) -> Path:
        """What the tuned model has forgotten of general prompts and texts."""
        return self.path / "forgetting.json"

    @property
    def model(self) -> Path:
        """The tuned model, loadable with plain ``AutoModelForCausalLM.from_pretrained``."""
        return self.path / "model"

    @property
    def adapter(self) -> Path:
        """The adapter alone, where one was trained (``model`` then holds it merged into the base)."""
        return self.path / "adapter"

    @property
    def checkpoints(self) -> Path:
        """``checkpoint-N`` folders to resume from."""
        return self.path / "checkpoints"

    @property
    def steps(self) -> Path:
        """The rows, loss and gradient norm of each step; see :mod:`sanetune.engine.step_log`."""
        return self.path / "steps"

    @property
    def watch(self) -> Path:
        """What was found while it trained, and whether that ended it."""
        return self.path / "watch.json"

    @property
    def samples_over_time(self) -> Path:
        """Answers to the same prompts at each evaluation, one line of JSON for each."""
        return self.path / "samples.jsonl"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def page(self) -> Path:
        """Findings, tokens, lengths and settings on one page."""
        return self.path / "report.html"

    @property
    def finished(self) -> bool:
        """True when the tuned model is there; it is put in place in one move, so it is whole or absent."""
        return (self.model / "config.json").is_file()

    @property
    def steps_saved(self) -> list[int]:
        """The steps of the checkpoints in the folder, ascending, complete or not."""
        names = (p.name.removeprefix("checkpoint-") for p in self.checkpoints.glob("checkpoint-*"))
        return sorted(int(name) for name in names if name.isdigit())

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """An existing run, to read from. :class:`RunError` when the folder is not one."""
        run = cls(path)
        if not _is_run(run.path):
            raise no_run(run.path, _is_run)
        return run

    @classmethod
    def create(cls, path: str | Path, *, resume: bool = False, overwrite: bool = False) -> Run:
        """A run to write into. Refuses to destroy what an earlier run left, unless it is to be resumed or overwritten.

        ``resume`` keeps everything; ``overwrite`` removes what an earlier run left (and only files a run makes; its
        clearance stays).
        """
        run = cls(path)
        run.refuse_links()
        try:
            if not resume:
                run.check_free(overwrite=overwrite)
                run._clear()
            for folder in (run.path, run.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"The run folder {run.path} cannot be written: {error.strerror or error}.",
                remedy="Set run.output_dir to a folder that you may write to.",
                place=Place(file=run.path),
            ) from None
        return run

    def refuse_links(self) -> None:
        """Raise :class:`RunError` when a file of the run is a link that leads out of its folder."""
        if link := next(outward_links(self.path, (*_OWN_FILES, *_KEPT, *_OWN_FOLDERS, self.votes.name)), None):
            raise RunError(
                f"{link} is a link to {link.resolve()}, outside of the run.",
                "What the run writes there would change files that are none of its own.",
                "Put what it points to in its place. To keep a run on another disk, set run.output_dir.",
            )

    @property
    def strangers(self) -> list[str]:
        """What is in a folder that is none of a run; then nothing may be written into it."""
        try:
            names = {path.name for path in self.path.iterdir()} if self.path.is_dir() else set()
        except OSError:  # reported when the folder is written to
            return []
        run = names & {*_OF_RUNS, *_OWN_FOLDERS}
        return [] if run else sorted(names - {*_KEPT, run_lock.NAME})

    def check_free(self, *, overwrite: bool = False) -> None:
        """Raise :class:`RunError` when another process trains in the folder, or starting anew would lose something."""
        run_lock.refuse_second(self.path)  # first: neither resuming nor deleting may be advised then
        if strangers := self.strangers:
            raise RunError(
                f"{self.path} is not empty and not a run folder: it holds {', '.join(strangers[:3])}.",
                "A run writes its files into a folder of its own.",
                "Set run.output_dir (or run.name) to a folder that does not exist yet.",
            )
        if overwrite:
            return
        if self.finished:
            raise RunError(
                f"{self.path} holds a finished run.",
                "Training into it again would overwrite its model.",
                "Choose another run.name or run.output_dir, or delete the folder. To train it for longer, raise "
                f"train.num_train_epochs or train.max_steps: `{command('train', '--resume')}`.",
            )
        if steps := self.steps_saved:
            raise RunError(
                f"{self.path} holds an unfinished run with a checkpoint at step {steps[-1]}.",
                "Starting anew would lose it.",
                f"Go on: `{command('train', '--resume')}`; or choose another run.name or run.output_dir, or delete "
                "the folder.",
            )

    def _clear(self) -> None:
        for name in _OWN_FILES:
            (self.path / name).unlink(missing_ok=True)
        for name in _OWN_FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def write_json(self, path: Path, value: object) -> None:
        """Write ``value`` to one of this run's files, whole or not at all; NaN as :func:`sanetune.atomic.write_json`
        spells it."""
        atomic.write_json(path, value)

    def read_json(self, path: Path) -> dict[str, Any]:
        """Read one of this run's JSON files.

        Floats that JSON does not have are texts in it: see :func:`sanetune.atomic.restore_non_finite`.

        Raises:
            RunError: The file is missing, or does not hold a JSON object.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"The run {self.path} has no {path.name}.", place=Place(file=path)) from None
        except ValueError as error:
            raise RunError(f"{path.name} is not valid JSON: {error}.", place=Place(file=path)) from None
        if not isinstance(value, dict):
            raise RunError(f"{path.name} does not hold a JSON object.", place=Place(file=path))
        return value

    def write_versions(self, device: str | None = None) -> dict[str, str | None]:
        """Write ``versions.json`` and return its content."""
        found = versions(device)
        self.write_json(self.versions, found)
        return found


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _OF_RUNS)


def versions(device: str | None = None) -> dict[str, str | None]:
    """Return the versions of Python and :data:`PACKAGES` (None: not installed), the platform, and the device.

    Args:
        device: What to call the device; None: what this machine has.
    """
    found = {"python": platform.python_version(), **package_versions(PACKAGES), "platform": platform.platform()}
    return found | {"device": device if device is not None else _device_words()}


def package_versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Return the installed version of each package, None where it is not installed.

    Example:
        >>> package_versions(["no-such-package"])
        {'no-such-package': None}
    """
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def _device_words() -> str:
    import torch

    from sanetune.config.machine import default_device

    device = default_device()
    if device == "cuda":
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return f"{len(names)} x {names[0]} (CUDA {torch.version.cuda})"
    return device if device == "mps" else f"cpu, {torch.get_num_threads()} threads"
