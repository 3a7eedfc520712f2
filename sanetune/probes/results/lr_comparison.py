"""Results of the learning-rate comparison.

Losses are means over the tokens in the loss, in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sanetune.curves.paired import PairedDifference, paired_difference
from sanetune.curves.series import Evaluation


@dataclass(frozen=True, slots=True)
class LearningRateRun:
    """A short run at one learning rate.

    Attributes:
        lr: Learning rate after a short warm-up.
        losses: Training loss before each step.
        evaluation: Evaluation of the validation rows after the last step.
    """

    lr: float
    losses: list[float]
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class LearningRateComparison:
    """Short runs from the same weights on the same batches that differ in their learning rate alone.

    Attributes:
        planned_lr: Peak learning rate of the run that is checked.
        steps: Steps of each short run, at most.
        start: Evaluation of the validation rows before any step.
        runs: By rising learning rate; one of them at ``planned_lr``.
    """

    planned_lr: float
    steps: int
    start: Evaluation
    runs: list[LearningRateRun] = field(default_factory=list)

    def at(self, lr: float) -> LearningRateRun:
        """Return the run whose learning rate is nearest to ``lr``, by their ratio."""
        return min(self.runs, key=lambda one: abs(math.log(one.lr / lr)))

    @property
    def best(self) -> LearningRateRun | None:
        """The run with the lowest validation loss; None where no run has a finite one."""
        finite = [one for one in self.runs if math.isfinite(one.evaluation.loss)]
        return min(finite, key=lambda one: one.evaluation.loss, default=None)

    def gain_over_planned(self, other: LearningRateRun) -> PairedDifference | None:
        """Return by how many nats per token ``other`` ends below the run at the planned learning rate."""
        return paired_difference(self.at(self.planned_lr).evaluation, other.evaluation)
