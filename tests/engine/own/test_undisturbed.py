"""After a check at level ``trial`` a trainer trains as if there had been none, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sanetune.finding import Report, Verdict
from sanetune.workflows.check import check_trainer
from tests.engine.own.strangers import built, run_of, same, state_of

QUICK = {"overfit_steps": 10, "overfit_examples": 6, "trial_steps": 10, "samples": 2}
KINDS = (
    "full", "lora", "own loss", "own optimizer", "accumulation", "checkpointing", "best", "stream", "arrow",
)  # fmt: skip


def checked(trainer: Any) -> Report:
    return check_trainer(trainer, level="trial", select=["model", "curve", "samples"], options=QUICK)


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_changes_nothing_that_training_starts_from(tmp_path: Path, one_thread: None, kind: str) -> None:
    trainer, other = built(tmp_path / "a", kind), built(tmp_path / "b", kind)
    trainer = built(tmp_path / "a", kind)
    before = state_of(trainer)
    report = checked(trainer)
    assert not report.of(Verdict.CRASH), [one.traceback for one in report.of(Verdict.CRASH)]
    assert report.experiments["trial"]["steps"] == 6
    assert not [name for name, value in state_of(trainer).items() if not same(before[name], value)]
    after_check = run_of(trainer)
    other = built(tmp_path / "b", kind)
    assert same(after_check, run_of(other)), "a run after a check is another one"
