"""The files of a launch: what is in them, read back as their own tools read them, and odd names that stay names."""

from __future__ import annotations

import ast
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from sanetune.cli import main
from sanetune.workflows.launching.write import TARGETS

ODD = "it's; touch PWNED `touch PWNED` $(touch PWNED)\n#SBATCH --wrap=x"
"""A value that is a command, a comment and a directive where it is not quoted."""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my $(touch PWNED) runs"
    folder.mkdir()
    (folder / "-c.yaml").write_text("model: {name: owner/model}\ndata: {train: owner/rows}\nrun: {name: a b}\n")


def launch(on: str, *more: str) -> Result:
    words = ["launch", *more, "--on", on, "--device", "H100", "--out", "file", "--", "my $(touch PWNED) runs/-c.yaml"]
    return CliRunner().invoke(main, [*words, f"run.name={ODD}"])


def written(on: str, *more: str) -> str:
    done = launch(on, *more)
    assert done.exit_code == 0, done.output
    return Path("file").read_text()


def commands(script: str, tmp_path: Path) -> list[list[str]]:
    """The words of each `sanetune`, `srun`, `hf` and `exec sanetune` that a shell runs in ``script``."""
    tools = tmp_path / "bin"
    tools.mkdir(exist_ok=True)
    for name in ("sanetune", "srun", "hf", "pip"):
        tool = tools / name
        logs = f"open({str(tmp_path / 'log')!r}, 'a').write(repr(['{name}', *sys.argv[1:]]) + '\\n')"
        tool.write_text(f"#!{sys.executable}\nimport sys\n{logs}\n")
        tool.chmod(0o755)
    (tmp_path / "log").write_text("")
    path = f"{tools}:/usr/bin:/bin"
    subprocess.run(["bash", "-c", script], env={"PATH": path}, check=True, cwd=tmp_path)
    return [ast.literal_eval(line) for line in (tmp_path / "log").read_text().splitlines()]


TRAIN = ["sanetune", "train", "./-c.yaml", f"run.name={ODD}"]
STATUS = ["sanetune", "clearance", "status", "./-c.yaml", f"run.name={ODD}"]


def test_slurm_has_a_task_for_each_device_and_asks_for_the_clearance_first(tmp_path: Path) -> None:
    text = written("slurm", "--nodes", "2", "--devices", "8", "--hours", "1.5")
    options = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    assert {"#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=8", "#SBATCH --gpus-per-node=8"} <= set(options)
    assert {"#SBATCH --time=01:30:00", "#SBATCH --signal=TERM@180"} <= set(options)
    assert len(options) == 7 and not any("wrap" in line for line in options)
    first, then = commands(text, tmp_path)
    assert first == ["srun", "--nodes=1", "--ntasks=1", "--ntasks-per-node=1", *STATUS, "run.devices=16"]
    assert then == ["srun", "--kill-on-bad-exit=1", *TRAIN, "run.devices=16"]
    assert not list(tmp_path.rglob("PWNED"))


def test_a_refused_clearance_ends_the_job_before_the_processes(tmp_path: Path) -> None:
    text = written("slurm")
    program = f'srun() {{ echo "$*" >> {shlex.quote(str(tmp_path / "ran"))}; return 1; }}\n{text}'
    assert subprocess.run(["bash", "-c", program], check=False, cwd=tmp_path).returncode == 1
    assert "train" not in (tmp_path / "ran").read_text()


@pytest.mark.parametrize("on", ["local", "sky", "kubeflow"])
def test_the_first_machine_alone_asks_for_the_clearance(on: str, tmp_path: Path) -> None:
    text = written(on, "--devices", "2", "--nodes", "1" if on == "local" else "3")
    script, rank = text, ""
    if on == "sky":
        task = YAML(typ="safe").load(text)
        assert (task["num_nodes"], task["resources"]) == (3, {"accelerators": "H100:2"})
        assert Path(task["workdir"]).name == "my $(touch PWNED) runs"
        script, rank = task["run"], "SKYPILOT_NODE_RANK"
    if on == "kubeflow":
        job = YAML(typ="safe").load(text)
        trainer = job["spec"]["trainer"]
        assert (trainer["numNodes"], trainer["numProcPerNode"]) == (3, 2)
        assert trainer["resourcesPerNode"]["limits"] == {"nvidia.com/gpu": 2}
        assert trainer["command"] == ["bash", "-c"]
        script, rank = trainer["args"][0], "PET_NODE_RANK"
    total = "run.devices=2" if on == "local" else "run.devices=6"
    assert commands(script, tmp_path) == [[*STATUS, total], [*TRAIN, total]]
    if rank:
        assert commands(f"export {rank}=1\n{script}", tmp_path) == [[*TRAIN, total]]
    assert not list(tmp_path.rglob("PWNED"))


def test_hf_jobs_mounts_the_folder_and_runs_the_script_inside(tmp_path: Path) -> None:
    (words,) = commands(written("hf-jobs", "--devices", "4", "--hours", "2"), tmp_path)
    options = words[: words.index("pytorch/pytorch")]
    assert options[:3] == ["hf", "jobs", "run"]
    assert options[options.index("--flavor") + 1] == "H100" and options[options.index("--timeout") + 1] == "120m"
    assert options[options.index("--volume") + 1] == f"{tmp_path / 'my $(touch PWNED) runs'}:/workspace:rw"
    inside = words[-1].replace("/workspace", str(tmp_path))
    assert commands(inside, tmp_path) == [["pip", "install", "sanetune"], [*STATUS, "run.devices=4"],
                                          [*TRAIN, "run.devices=4"]]  # fmt: skip
    assert not list(tmp_path.rglob("PWNED"))


def test_ray_starts_a_worker_for_each_device_behind_the_clearance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = written("ray", "--nodes", "2", "--devices", "2")
    seen: list[Any] = []

    class Trainer:
        def __init__(self, rank: Any, scaling_config: Any) -> None:
            seen.append(scaling_config)
            self.rank = rank

        def fit(self) -> None:
            self.rank()

    train, torch = ModuleType("ray.train"), ModuleType("ray.train.torch")
    train.ScalingConfig = lambda **given: given  # type: ignore[attr-defined]
    torch.TorchTrainer = Trainer  # type: ignore[attr-defined]
    for name, module in {"ray": ModuleType("ray"), "ray.train": train, "ray.train.torch": torch}.items():
        monkeypatch.setitem(sys.modules, name, module)
    code = 0

    def run(words: list[str], **given: Any) -> Any:
        seen.append((words, given.get("env", {}).get("MASTER_PORT")))
        return subprocess.CompletedProcess(words, code)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("MASTER_PORT", "4000")
    assert text == Path("file").read_text()
    runpy.run_path("file", run_name="__main__")
    assert seen == [([*STATUS, "run.devices=4"], None), {"num_workers": 4, "use_gpu": True},
                    ([*TRAIN, "run.devices=4"], "4001")]  # fmt: skip
    code = 1
    seen.clear()
    with pytest.raises(SystemExit):
        runpy.run_path("file", run_name="__main__")
    assert len(seen) == 1


def test_devices_that_the_run_is_not_planned_for_are_an_error() -> None:
    done = launch("slurm", "--nodes", "2", "--devices", "3", "--force")
    assert done.exit_code == 0
    words = ["launch", "my $(touch PWNED) runs/-c.yaml", "run.devices=4", "--on", "slurm", "--nodes", "3"]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, "run.devices is 4" in done.stderr) == (2, True)


@pytest.mark.parametrize(("on", "more", "words"), [
    ("hf-jobs", ["--nodes", "2"], "hf-jobs runs on one machine"),
    ("local", ["--nodes", "2"], "local is this machine alone"),
    ("hf-jobs", ["--devices", "3", "--device", "a10g-largex2"], "has 2 GPUs, and 3 are asked for"),
    ("slurm", ["--out", "nope/x.sbatch"], "no folder 'nope'"),
    ("hf-jobs", ["--device", ""], "needs the name of the hardware"),
    ("sky", ["--device", ""], "needs the name of the device"),
])  # fmt: skip
def test_what_a_target_cannot_do_is_said(on: str, more: list[str], words: str) -> None:
    done = CliRunner().invoke(main, ["launch", "my $(touch PWNED) runs/-c.yaml", "--on", on, *more])
    assert (done.exit_code, words in done.stderr) == (2, True)
    assert not Path("a-b.sh").exists()


def test_a_file_that_is_there_is_kept_and_every_target_says_what_comes_next() -> None:
    for on in TARGETS:
        assert "Next: " in launch(on, "--force").stdout
    assert (launch("slurm").exit_code, launch("slurm", "--force").exit_code) == (2, 0)


@pytest.mark.parametrize("on", ["sky", "hf-jobs"])
def test_sanetune_is_installed_from_what_there_is(on: str, tmp_path: Path) -> None:
    done = launch(on)
    assert "no package index" in done.stderr and "no package index" in Path("file").read_text()
    (tmp_path / "my $(touch PWNED) runs" / "sanetune-0.1.0-py3-none-any.whl").touch()
    done = launch(on, "--force")
    assert "no package index" not in done.stderr
    assert "pip install ./sanetune-0.1.0-py3-none-any.whl" in Path("file").read_text()
    assert "pip install git+https://host/it" in written(on, "--force", "--install", "git+https://host/it")


def test_ray_is_told_the_same_command_by_terminal_and_file() -> None:
    done = launch("ray")
    assert "ray job submit --working-dir . -- python file" in done.stdout
    assert "ray job submit --working-dir . -- python" in Path("file").read_text()


def test_an_unchecked_launch_asks_for_nothing_and_says_so(tmp_path: Path) -> None:
    done = launch("local", "--unchecked", "a test", "--resume")
    assert "without a clearance" in done.stderr
    assert commands(Path("file").read_text(), tmp_path) == [[*TRAIN, "--resume", "--unchecked", "a test"]]
