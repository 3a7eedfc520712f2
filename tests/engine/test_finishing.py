"""What a finished loop says of itself: the loss of the best weights, whatever they were chosen by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.engine.finishing import outcome_of
from sanetune.engine.metrics import Record


def record(step: int, loss: float) -> Record:
    return Record(step, step / 10, 1.0, "validation", loss, None, None, 0, 0, None, None)


def ended(best: float | None, at: int | None) -> Any:
    state = SimpleNamespace(best_metric=best, best_global_step=at, global_step=20, max_steps=20, epoch=2.0)
    loop = SimpleNamespace(state=state, tokens_seen=lambda: (200, 100))
    records = [record(0, 3.0), record(10, 2.0), record(20, 2.25)]
    return outcome_of(loop, records, None, seconds=1.0, start=None, frozen=None, notes=[])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("best", "at", "loss"), [(0.875, 20, 2.25), (2.0, 10, 2.0), (2.0, None, 2.0), (None, None, None)]
)
def test_the_loss_of_the_best_weights_is_that_of_their_step(
    best: float | None, at: int | None, loss: float | None
) -> None:
    """An accuracy of 0.875 by which they were chosen is no loss."""
    assert ended(best, at).best_validation_loss == loss
