"""A run that was killed and resumed has the figures of one that was never stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sanetune.engine import checkpoints
from sanetune.engine.base import Outcome
from sanetune.engine.checksums import write_checksums
from sanetune.engine.metrics import read
from sanetune.runs import Run
from tests.engine.running import Follower, train
from tests.engine.trl.test_engine import SIX


def figures(outcome: Outcome) -> tuple[object, ...]:
    """What a run leaves but for its seconds, and what depends on them."""
    records = [(r.step, r.epoch, r.kind, r.loss, r.learning_rate, r.grad_norm, r.tokens) for r in outcome.records]
    losses = outcome.train_loss, outcome.validation_loss, outcome.base_validation_loss, outcome.best_validation_loss
    return records, losses, outcome.steps, outcome.epochs, outcome.best_step, outcome.tokens, outcome.loss_tokens


@pytest.mark.parametrize(("killed", "resumed"), [(3, 2), (5, 4)])
def test_a_killed_and_resumed_run_has_the_figures_of_an_unbroken_one_and_its_seconds_add_up(
    killed: int, resumed: int, base: Path, prepared: Any, tmp_path: Path
) -> None:
    """Records come every 3 steps and checkpoints every 2, so that a record has steps of both parts."""

    def kill() -> None:
        raise BrokenPipeError

    settings = SIX(base)
    settings.train.given |= {"logging_steps": 3, "logging_first_step": False}
    unbroken = train(settings, prepared, Run.create(tmp_path / "unbroken"))
    assert [r.step for r in unbroken.records if r.kind == "train"] == [3, 6]
    run = Run.create(tmp_path / "run")
    with pytest.raises(BrokenPipeError):
        train(settings, prepared, run, Follower(killed, kill))
    state = checkpoints.latest(run.checkpoints) / checkpoints.STATE
    stored = json.loads(state.read_text())
    stored["stateful_callbacks"]["sanetune"]["attributes"]["seconds"] += 1000
    state.write_text(json.dumps(stored))
    write_checksums(state.parent)
    outcome = train(settings, prepared, run, resume=True)
    assert outcome.resumed_from == resumed
    assert figures(outcome) == figures(unbroken)
    assert outcome.records == read(run.metrics)
    assert 1000 < outcome.seconds < 1100
    assert outcome.records[-1].seconds > 1000


def test_a_run_that_was_killed_after_its_last_step_keeps_its_figures(base: Path, prepared: Any, tmp_path: Path) -> None:
    whole = Run.create(tmp_path / "whole")
    train(SIX(base), prepared, whole)
    shutil.copytree(whole.path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "model")
    outcome = train(SIX(base), prepared, Run(tmp_path / "run"), resume=True)
    records = read(whole.metrics)
    assert outcome.records == records
    assert outcome.train_loss == [r.loss for r in records if r.kind == "train"][-1]
    assert outcome.seconds >= records[-1].seconds
