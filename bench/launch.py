"""The files of `sanetune launch`: each is run, or read by the tool that it is for, where that is there.

    python -m bench.launch --json F --sky PYTHON --kubeflow PYTHON --ray PYTHON

Slurm has to be running (`sinfo`); SkyPilot, Kubeflow's SDK and Ray are those of the Python interpreters that are
given; `hf` comes with huggingface_hub. What is not there is skipped, with its reason.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

DEMO = Path(__file__).resolve().parents[1] / "sanetune" / "demo"
READ_SKY = """
import sky, sys
task = sky.Task.from_yaml(sys.argv[1])
assert (task.name, task.num_nodes) == ("here", 2), (task.name, task.num_nodes)
assert [one.accelerators for one in task.resources] == [{"H100": 8}], task.resources
"""
READ_KUBEFLOW = """
import json, sys
import yaml
from kubeflow_trainer_api.models import TrainerV1alpha1TrainJob
given = yaml.safe_load(open(sys.argv[1]))
job = TrainerV1alpha1TrainJob.from_dict(given)
trainer = json.loads(job.to_json())["spec"]["trainer"]
assert set(given["spec"]["trainer"]) <= set(trainer), trainer
assert (trainer["numNodes"], int(trainer["numProcPerNode"])) == (2, 8), trainer
"""
SECONDS = 600
"""Most that a job may take."""


class SkippedError(Exception):
    """A tool is not there."""


def main() -> None:
    """Try each target, print a line for it, and fail where one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("sky", "kubeflow", "ray"):
        parser.add_argument(f"--{name}", type=Path, help="a Python interpreter that has it")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="read the files; run no job")
    given = parser.parse_args()
    targets: dict[str, Callable[[Path], str]] = {
        "slurm": lambda folder: slurm(folder, given.quick),
        "ray": lambda folder: ray(folder, given.ray, given.quick),
        "sky": lambda folder: read(folder, "sky", given.sky, READ_SKY),
        "kubeflow": lambda folder: read(folder, "kubeflow", given.kubeflow, READ_KUBEFLOW),
        "hf-jobs": hf_jobs,
        "local": local,
    }
    found = {}
    for name, tried in targets.items():
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder))
            try:
                found[name] = ["pass", tried(Path(folder))]
            except SkippedError as reason:
                found[name] = ["skip", str(reason)]
            except (AssertionError, subprocess.SubprocessError) as error:
                found[name] = ["fail", str(error)[:500]]
        print(f"{found[name][0]:<5}{name:<10}{found[name][1]}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))
    sys.exit(any(verdict == "fail" for verdict, _ in found.values()))


def prepare(folder: Path) -> None:
    """Write a configuration and its rows, and clear it for two processes."""
    rows = (DEMO / "data" / "train.jsonl").read_text().splitlines(keepends=True)
    (folder / "rows.jsonl").write_text("".join(rows[:40]))
    settings = {
        "model": {"name": str(DEMO / "model")},
        "data": {"train": "rows.jsonl", "workers": 1},
        "train": {"max_steps": 4, "learning_rate": 1e-3, "per_device_train_batch_size": 2, "use_cpu": True,
                  "gradient_accumulation_steps": 1, "max_length": 300},
        "check": {"level": "static", "keep": "off"},
        "run": {"name": "here", "trackers": [], "samples": 0},
    }  # fmt: skip
    (folder / "c.yaml").write_text(json.dumps(settings))
    sanetune(folder, "check", "c.yaml", "run.devices=2", "--quiet")


def sanetune(folder: Path, *words: str) -> str:
    """Run a command of sanetune in ``folder``; returns what it printed."""
    command = [sys.executable, "-m", "sanetune", *words]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-300:]} {done.stderr[-300:]}"
    return done.stdout


def environment() -> dict[str, str]:
    """Return the variables of every command: this sanetune, one thread for each process."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    here = str(DEMO.parents[1])
    return os.environ | {"PATH": beside, "PYTHONPATH": here, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def trained(folder: Path) -> str:
    """Say of how many processes the run in ``folder`` was; it has to have been two."""
    run = folder / "runs" / "here"
    assert (run / "model" / "model.safetensors").is_file(), "no model was saved"
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = [one for one in steps if one["kind"] == "train"][-1]
    states = sorted((run / "checkpoints").glob("checkpoint-*/process-*.json"))
    ranks = {path.stem for path in states}
    assert ranks == {"process-0", "process-1"}, ranks
    return f"2 processes made {last['step']} steps, loss {last['loss']:.4f}"


def slurm(folder: Path, quick: bool) -> str:
    """Submit the script, wait for it; then one whose clearance does not fit."""
    if shutil.which("sbatch") is None or subprocess.run(["sinfo"], capture_output=True, check=False).returncode:
        raise SkippedError("no Slurm is running")
    sanetune(folder, "launch", "c.yaml", "--on", "slurm", "--devices", "2", "--hours", "0.5")
    if quick:
        subprocess.run(["sbatch", "--test-only", "here.sbatch"], cwd=folder, check=True, capture_output=True)
        return "sbatch --test-only takes the script"
    assert submitted(folder, "here.sbatch") == "COMPLETED"
    found = trained(folder)
    sanetune(folder, "launch", "c.yaml", "train.max_steps=5", "--on", "slurm", "--devices", "2", "--out", "other")
    assert submitted(folder, "other") == "FAILED"
    texts = [path.read_text() for path in folder.glob("here-*.out")]
    assert any("train.max_steps was 4, is 5" in text and "step 0" not in text for text in texts), texts
    return f"sbatch: {found}; a job whose clearance does not fit ended before its processes"


def submitted(folder: Path, file: str) -> str:
    """Return the state in which Slurm ends the job of ``file``."""
    done = subprocess.run(
        ["sbatch", "--parsable", file], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    job, deadline = done.stdout.strip(), time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        asked = ["scontrol", "show", "job", job, "--oneliner"]
        shown = subprocess.run(asked, capture_output=True, text=True, check=True)
        state = next(word.partition("=")[2] for word in shown.stdout.split() if word.startswith("JobState="))
        if state not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"):
            return state
        time.sleep(2)
    raise AssertionError(f"job {job} did not end")


def ray(folder: Path, python: Path | None, quick: bool) -> str:
    """Run the program on a Ray that it starts itself."""
    if python is None:
        raise SkippedError("--ray is not given")
    sanetune(folder, "launch", "c.yaml", "--on", "ray", "--devices", "2")
    if quick:
        program = "import sys, runpy; runpy.run_path(sys.argv[1])"
        subprocess.run([str(python), "-c", program, "here_ray.py"], cwd=folder, check=True, capture_output=True)
        return "the program can be imported"
    done = subprocess.run(
        [str(python), "here_ray.py"], cwd=folder, env=environment(), capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-400:]
    return f"TorchTrainer: {trained(folder)}"


def read(folder: Path, target: str, python: Path | None, program: str) -> str:
    """Let the tool's own Python package read the file of two machines with eight devices each."""
    if python is None:
        raise SkippedError(f"--{target} is not given")
    sanetune(folder, "launch", "c.yaml", "train.use_cpu=false", "--on", target, "--nodes", "2", "--devices", "8",
             "--device", "H100", "--out", "file.yaml")  # fmt: skip
    done = subprocess.run(
        [str(python), "-c", program, "file.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-400:]
    return "read by its own package: 2 machines with 8 devices each"


def hf_jobs(folder: Path) -> str:
    """Run the command with ``--dry-run``: hf parses it and submits nothing."""
    sanetune(folder, "launch", "c.yaml", "--on", "hf-jobs", "--devices", "2", "--device", "a100x4", "--out", "job")
    variables = environment() | {"HF_TOKEN": "none", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        ["bash", "job", "--dry-run"], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "Job not submitted" in done.stdout + done.stderr, done.stderr[-400:]
    return "hf jobs run --dry-run takes the command"


def local(folder: Path) -> str:
    """Run the script."""
    sanetune(folder, "launch", "c.yaml", "--on", "local", "--devices", "2", "--out", "job")
    done = subprocess.run(["bash", "job"], cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-400:]
    return f"bash: {trained(folder)}"


if __name__ == "__main__":
    main()
