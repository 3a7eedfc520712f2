"""Out of memory in sanetune's own loop: the batch is named, or taken in parts with the same curve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sanetune.engine.accelerate.loss_module import PaddedLoss
from sanetune.engine.base import Outcome
from sanetune.errors import RunError
from sanetune.runs import Run
from tests.engine.running import Follower, train

Config = Callable[..., SimpleNamespace]
GIVEN = {"engine": "accelerate", "max_steps": 3, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2,
         "save_strategy": "no", "load_best_model_at_end": False, "eval_steps": 3}  # fmt: skip


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Passes of more than two rows fail, as where memory is short; returns the rows of those that were made."""
    made: list[int] = []
    # Padded rows, whose number is that of the batch.
    monkeypatch.setattr("sanetune.engine.accelerate.engine._documents", lambda *words: None)
    plain = PaddedLoss.__call__

    def called(self: PaddedLoss, batch: Any) -> Any:
        rows = len(batch["labels"])
        if rows > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        made.append(rows)
        return plain(self, batch)

    monkeypatch.setattr(PaddedLoss, "__call__", called)
    return made


def curve(outcome: Outcome) -> list[tuple[float, float | None]]:
    return [(record.loss, record.grad_norm) for record in outcome.records]


def test_the_batch_that_did_not_fit_is_named(
    small_machine: list[int], prepared: Any, config: Config, tmp_path: Path
) -> None:
    given = GIVEN | {"eval_strategy": "no"}
    with pytest.raises(RunError, match=r"at step 1, micro-batch 1 of 2: 4 x \d+ tokens; rows \d+, \d+") as caught:
        train(config(**given), prepared, Run.create(tmp_path / "run"))
    assert caught.value.fix == {"train.per_device_train_batch_size": 2, "train.gradient_accumulation_steps": 4}


def test_with_auto_it_is_taken_in_parts_and_the_curve_is_the_same(
    prepared: Any, config: Config, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    whole = train(config(**GIVEN), prepared, Run.create(tmp_path / "whole"))
    made = request.getfixturevalue("small_machine")
    follower = Follower()
    outcome = train(config(**GIVEN, auto_find_batch_size=True), prepared, Run.create(tmp_path / "run"), follower)
    assert set(made) == {2}
    for found, expected in zip(curve(outcome), curve(whole), strict=True):
        assert found[0] == pytest.approx(expected[0], rel=1e-5)
        assert found[1] == (None if expected[1] is None else pytest.approx(expected[1], rel=1e-4))
    assert sum("2 go through the model together" in note for note in follower.notes) == 1
