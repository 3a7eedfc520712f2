"""What the two loops log, evaluate and save, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sanetune.runs import Run
from tests.engine.conftest import resolved
from tests.engine.running import train


@pytest.mark.parametrize("engine", ["trl", "accelerate"])
def test_an_epoch_that_ends_with_the_run_is_evaluated_and_saved_once(
    engine: str, base: Path, prepared: Any, tmp_path: Path
) -> None:
    by_epoch = {"eval_strategy": "epoch", "save_strategy": "epoch", "eval_steps": None}
    run = Run.create(tmp_path / "run")
    outcome = train(resolved(base, engine=engine, max_steps=8, **by_epoch), prepared, run)
    losses = {one.step: one.loss for one in outcome.records if one.kind == "validation"}
    assert [one.step for one in outcome.records if one.kind == "validation"] == [0, 4, 8]
    assert list(run.steps_saved) == [4, 8]
    assert outcome.best_step == min((4, 8), key=losses.__getitem__)
