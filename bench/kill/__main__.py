"""Runs that are killed at random moments and resumed are bit for bit the run that was never killed.

`kill -9` comes anywhere in a run of `sanetune train`: while it prepares the data, checks, asks the base model, trains,
evaluates, saves a checkpoint, saves the model, compares; half of the moments are right before an operation on a file of
the run, so that every order of writes and renames is broken off somewhere. Three of ten resumed runs are killed too.
Afterwards records, steps, checkpoints, optimizer and weights are compared byte for byte with the undisturbed run's.
With --json F finished moments are kept there, and the next call goes on.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from bench.figures import shared, show
from bench.kill import processes, victim
from bench.kill.moments import Moment, compared, draw, kill_and_resume, undisturbed

CONFIG = """\
model: {{name: {model}, chat_template: chatml}}
data: {{train: {rows}, max_examples: 80, holdout: 0.2, workers: 1}}
train:
  {{engine: {engine}, max_steps: {steps}, per_device_train_batch_size: 2, gradient_accumulation_steps: {accumulation},
   learning_rate: 1e-3, logging_steps: 2, eval_strategy: steps, eval_steps: 3, save_steps: 3, save_total_limit: 2,
   early_stopping_patience: 3, neftune_noise_alpha: 5, use_cpu: true}}
check: {{level: static, keep: "off"}}
run: {{output_dir: run, trackers: [], samples: 1}}
"""
MOMENTS, QUICK = 50, 3
AGAIN = 0.3
"""Share of resumed runs that are killed too."""
COLUMNS = ("killed while", "runs", "kills", "equal to the undisturbed run")


def config(steps: int, count: int, engine: str = "trl") -> str:
    """The configuration of a run of ``steps`` steps on ``count`` processes, at the same effective batch."""
    rows = shared() / "data" / "gsm8k" / "train.jsonl"
    model, accumulation = shared() / "models" / "stories260k", 2 // count
    return CONFIG.format(model=model, rows=rows, steps=steps, accumulation=accumulation, engine=engine)


def main() -> None:
    """Make the moments that are not in the file yet, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F, and go on from what it has")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} moments")
    parser.add_argument("--moments", type=int, default=MOMENTS, metavar="N")
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="processes that train together (torchrun)"
    )
    parser.add_argument("--engine", default="trl", help="train.engine")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    count = QUICK if given.quick else given.moments
    done: list[dict[str, Any]] = (
        json.loads(given.json.read_text())["moments"] if given.json and given.json.exists() else []
    )
    with tempfile.TemporaryDirectory() as folder:
        for number in range(len(done), count):
            done.append(_moment(Path(folder), random.Random(f"{given.seed} {number}"), given.processes, given.engine))
            print(done[-1], flush=True)
            if given.json:
                given.json.write_text(json.dumps({"processes": given.processes, "moments": done}, indent=1) + "\n")
    show(f"kill -9, {given.processes} process(es)", COLUMNS, _table(done), {"moments": done}, None)


_WHOLE: dict[str, Any] = {}


def _moment(folder: Path, random_: random.Random, count: int, engine: str) -> dict[str, Any]:
    """Kill one run at a moment of ``random_``, resume it, and compare it."""
    text, whole = config(12, count, engine), folder / "whole"
    if not whole.exists():
        whole.mkdir()
        (whole / "c.yaml").write_text(text)
        if count == 1:
            victim.load()
            _WHOLE["followed"] = undisturbed(whole)
        else:
            code, _WHOLE["seconds"] = processes.run(whole, count, resume=False)
            assert code == 0, (whole / "log").read_text()[-2000:]
    run = folder / "run"
    if count == 1:
        moments: list[Moment] = [draw(_WHOLE["followed"], random_)]
        if random_.random() < AGAIN:
            moments.append(draw(_WHOLE["followed"], random_))
        killed, faults = kill_and_resume(run, text, moments)
        words = moments[0].phase
    else:
        killed, faults = processes.kill_and_resume(run, text, count, _WHOLE["seconds"], random_)
        words = "anything"
    different = compared(run, whole)
    if different or faults:
        kept = folder.parent / f"kill-{words}-{random_.random()}"
        shutil.copytree(run, kept)
        print("kept in", kept)
    return {"phase": words, "kills": killed, "different": different, "faults": faults}


def _table(done: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """A line for each phase, and one for all."""
    by: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for one in done:
        by[one["phase"]].append(one)
    lines = [*sorted(by.items()), ("all", done)]
    return [
        (phase, len(many), sum(one["kills"] for one in many),
         sum(not one["different"] and not one["faults"] for one in many))
        for phase, many in lines
    ]  # fmt: skip


if __name__ == "__main__":
    main()
