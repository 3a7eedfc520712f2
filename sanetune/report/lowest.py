"""The lowest validation loss of a run that is over: weights that are worse than the base are not called best."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanetune.engine.base import Outcome


def lowest_evaluation(outcome: Outcome) -> tuple[int, float] | None:
    """Return step and value in nats of the lowest validation loss, that of the base included; None: not known."""
    found = [(0, outcome.base_validation_loss), (outcome.best_step, outcome.best_validation_loss)]
    known = [(step, loss) for step, loss in found if step is not None and loss is not None and math.isfinite(loss)]
    return min(known, key=lambda one: one[1], default=None)


def is_worse_than_base(outcome: Outcome) -> bool:
    """Return whether no evaluated weights of the run are better than the base; False where it is not known."""
    lowest = lowest_evaluation(outcome)
    return outcome.best_step is not None and lowest is not None and lowest[0] != outcome.best_step
