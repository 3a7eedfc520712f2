"""Folders of runs, as training leaves them."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

from sanetune.engine.answer import Answer
from sanetune.engine.metrics import Record, to_line
from sanetune.probes.results import Comparison, Sample
from sanetune.runs import Run
from sanetune.typed_json import to_json
from sanetune.workflows.run_state import Phase, RunState

CONFIG = """\
model: {{name: somewhere}}
data: {{train: rows.jsonl}}
train: {{learning_rate: {lr}, max_steps: {steps}}}
"""


def made(
    folder: Path, steps: int = 20, *, phase: Phase = "running", lr: float = 1e-4, loss: float = 2.0, data: str = "same"
) -> Run:
    """A run of ``steps`` steps of a hundred tokens and two seconds, with an evaluation every ten."""
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(folder)
    run.config.write_text(CONFIG.format(lr=lr, steps=2 * steps))
    run.write_json(run.data, {"fingerprint": data})
    write_records(run, steps, lr=lr, loss=loss)
    state(run, phase, 2 * steps)
    return run


def write_records(run: Run, steps: int, *, lr: float = 1e-4, loss: float = 2.0) -> None:
    """The records of the first ``steps`` steps."""
    records = []
    for step in range(steps + 1):
        now = loss * (0.5 + 0.5 * 0.99**step)
        if step:
            records.append(Record(step, step / 10, 2.0 * step, "train", now, lr, 1.0, 100 * step, 50 * step, 50.0))
        if step % 10 == 0:
            records.append(Record(step, step / 10, 2.0 * step, "validation", now + 0.1))
    run.metrics.write_text("".join(map(to_line, records)))


def state(run: Run, phase: Phase, steps: int) -> None:
    """What the run says last about itself; its process is that of the tests."""
    began = psutil.Process().create_time()
    day = "2026-11-28 10:00:00 UTC"
    found = RunState(phase, day, day, steps, "", os.getpid(), began, platform.node())
    run.write_json(run.state, to_json(found))
    if phase == "finished":
        run.model.mkdir(exist_ok=True)
        (run.model / "config.json").write_text("{}")


def answered(run: Run, text: str) -> None:
    """Answers of both models."""
    answers = Answer("base", ended=False, tokens=9), Answer(text, ended=True, tokens=3)
    comparison = Comparison([Sample([{"role": "user", "content": "Hm?"}], "Yes.", *answers)], "base", "tuned")
    run.write_json(run.samples, comparison.to_json())
