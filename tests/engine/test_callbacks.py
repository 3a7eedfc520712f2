"""What the two loops log, evaluate and save, and when."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from sanetune.errors import RunError
from sanetune.runs import Run
from tests.engine.conftest import resolved
from tests.engine.running import Follower, same, train, weights


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


@pytest.mark.parametrize("engine", ["trl", "accelerate"])
@pytest.mark.parametrize("at", [2, 4], ids=["inside the run", "at its last step"])
def test_a_run_that_was_stopped_where_it_is_evaluated_makes_the_evaluation_when_it_goes_on(
    at: int, engine: str, base: Path, prepared: Any, tmp_path: Path
) -> None:
    whole = Run.create(tmp_path / "whole")
    unbroken = train(resolved(base, engine=engine), prepared, whole)
    run = Run.create(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(resolved(base, engine=engine), prepared, run, Follower(at, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    resumed = train(resolved(base, engine=engine), prepared, Run.create(run.path, resume=True), resume=True)
    assert [(one.step, one.kind, one.loss) for one in resumed.records] == [
        (one.step, one.kind, one.loss) for one in unbroken.records
    ]
    assert (resumed.best_step, resumed.best_validation_loss) == (unbroken.best_step, unbroken.best_validation_loss)
    assert same(weights(run), weights(whole))


def test_memory_that_runs_out_beside_a_batch_is_a_message_on_a_processor_too(
    base: Path, prepared: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    monkeypatch.setattr(torch.optim.AdamW, "step", full)
    with pytest.raises(RunError, match="The memory does not suffice") as caught:
        train(resolved(base, engine="accelerate", max_steps=1), prepared, Run.create(tmp_path / "run"))
    assert "train.gradient_accumulation_steps" in caught.value.remedy
