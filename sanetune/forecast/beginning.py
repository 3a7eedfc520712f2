"""The beginning of a run as a forecast of its end reads it: progress of the schedule, evaluations, training losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from sanetune.curves.changes import finite
from sanetune.curves.series import Curve, Evaluation

if TYPE_CHECKING:
    from sanetune.planning.steps import StepPlan
    from sanetune.probes.results import LearningRateComparison

SURELY_AHEAD = 3.0
"""Standard errors over the held-out rows, as the check curve-rate-beaten asks for."""
FEWEST = 3
"""Evaluations, the start among them, from which on an end can be forecast."""


class TooEarlyError(ValueError):
    """The curve does not show enough for a forecast; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first steps of a run.

    Attributes:
        step: Steps that are known: those of the last evaluation.
        total_steps: Steps of the whole run.
        epochs: Epochs of the whole run; 1.0 where that is not known.
        lrs: Learning rate of each step of the whole run (only their proportions count).
        evaluations: Finite ones by rising step, from step 0 on.
        steps: Steps of the training losses up to ``step``.
        losses: The finite training losses, in nats.
    """

    step: int
    total_steps: int
    epochs: float
    lrs: tuple[float, ...]
    evaluations: tuple[Evaluation, ...]
    steps: tuple[int, ...]
    losses: tuple[float, ...]

    @classmethod
    def of(cls, curve: Curve, lrs: Sequence[float] = ()) -> Beginning:
        """The beginning that ``curve`` shows.

        Args:
            curve: A trial, or a run so far.
            lrs: Learning rate of each step of the whole run; empty: as the curve has them, and the last one onwards.

        Raises:
            TooEarlyError: It lacks the evaluations, or the length of the run.
        """
        if not curve.total_steps:
            raise TooEarlyError("the length of the run is not known")
        evaluations = finite(curve.validation)
        if not evaluations:
            raise TooEarlyError("no validation rows were evaluated")
        if evaluations[0].step > 0 or evaluations[0].loss <= 0:
            raise TooEarlyError("the base was not evaluated before the first step")
        if len(evaluations) < FEWEST:
            raise TooEarlyError(f"{len(evaluations)} of the {FEWEST} evaluations that a forecast needs were made")
        step = min(evaluations[-1].step, curve.total_steps)
        points = [one for one in curve.points if one.step <= step and math.isfinite(one.loss)]
        per_epoch = curve.steps_per_epoch
        return cls(
            step,
            curve.total_steps,
            curve.total_steps / per_epoch if per_epoch else 1.0,
            tuple(_lrs(curve, lrs, step)),
            tuple(evaluations),
            tuple(one.step for one in points),
            tuple(one.loss for one in points),
        )

    def until(self, step: int) -> Beginning:
        """As it was when ``step`` steps were made.

        Raises:
            TooEarlyError: It had too few evaluations.
        """
        evaluations = tuple(one for one in self.evaluations if one.step <= step)
        if len(evaluations) < FEWEST:
            raise TooEarlyError("too few evaluations were made")
        known = [number for number, one in enumerate(self.steps) if one <= evaluations[-1].step]
        return replace(
            self,
            step=evaluations[-1].step,
            evaluations=evaluations,
            steps=tuple(self.steps[number] for number in known),
            losses=tuple(self.losses[number] for number in known),
        )

    @property
    def progress(self) -> list[float]:
        """The share of the run's summed learning rate that is behind it after 0, 1, 2, ... steps.

        >>> Beginning(1, 4, 1.0, (0.0, 2.0, 1.0, 1.0), (), (), ()).progress
        [0.0, 0.0, 0.5, 0.75, 1.0]
        """
        sums = list(accumulate(self.lrs, initial=0.0))
        if sums[-1] <= 0:
            return [number / self.total_steps for number in range(self.total_steps + 1)]
        return [one / sums[-1] for one in sums]


def planned_lrs(steps: StepPlan) -> list[float]:
    """Return the learning rate of each step of a planned run; empty where its schedule depends on the loss."""
    from sanetune.planning.schedules import schedule

    every = list(range(1, steps.total_steps + 1))
    try:
        return schedule(
            steps.scheduler, steps.learning_rate, steps.warmup_steps, steps.total_steps, steps.scheduler_kwargs, every
        )
    except ValueError:
        return []


def reachable(comparison: LearningRateComparison, curve: Curve) -> float | None:
    """Return the lowest loss of the short runs of ``comparison``, on the validation rows of ``curve``.

    Where the two were evaluated on other rows, as a trial and a whole run are, the loss is taken in proportion to that
    of the base. None where it is not known, and where that run is not surely ahead of the one that was planned: a
    difference by chance on a few rows is nothing that a run has to reach.
    """
    evaluations = finite(curve.validation)
    best, start = comparison.best, comparison.start.loss
    if best is None or not evaluations or evaluations[0].step > 0 or not math.isfinite(start) or start <= 0:
        return None
    gain = comparison.gain_over_planned(best)
    if gain is None or not gain.t >= SURELY_AHEAD:  # NaN is not
        return None
    found = best.evaluation.loss / start * evaluations[0].loss
    return found if math.isfinite(found) else None


def _lrs(curve: Curve, planned: Sequence[float], step: int) -> list[float]:
    """The learning rates that were logged up to ``step``, and the planned ones after it."""
    total = curve.total_steps or 0
    logged = {one.step: one.lr for one in curve.points if one.lr is not None and math.isfinite(one.lr)}
    if len(planned) != total:
        last = logged[max(logged)] if logged else 1.0
        planned = [last] * total
    return [logged.get(number, lr) if number <= step else lr for number, lr in enumerate(planned, 1)]
