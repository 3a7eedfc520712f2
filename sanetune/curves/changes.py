"""Changes of the loss between two steps of a curve, each with its standard error.

Evaluations of rows that are not trained on come first, compared row by row: rows differ far more from each other than
one row differs between evaluations. Training batches are used where there are no evaluations, with their noise as the
error.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from sanetune.curves.paired import paired_difference, t_statistic
from sanetune.curves.robust import SPREAD, Level, clipped_level, level, middle, noise, relative_noise, smooth
from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.curves.valley import valley_scatter

HELD_OUT, FIXED_BATCH, TRAINING = "held-out rows", "the fixed evaluation batch", "training batches"
"""What a change is measured on, as messages name it."""
START_SHARE = 0.02
"""An evaluation within this share of the steps counts as one of the start."""
SHOT_UP = 1.3
"""The first loss alone is the start where the level of the first batches is more than this many times higher."""
LARGEST = 1e30
"""A loss of this size or more counts as infinite."""
MANY = 12
"""Evaluations from which neighbours tell their noise."""
HILL = 5
"""Evaluations from which a hill may be their trend: few of them are always near to one."""
FITTED, UNSURE = 4, 4.0
"""Evaluations that a valley explains by itself, and the numerator of what Student's t adds: of three degrees of freedom
it asks for 2.3 times, of seven for 1.6."""
USUAL, USUAL_LEAST = 0.035, 0.01
"""Standard deviation that evaluations of healthy logs have at most, those of some hundred rows: a share of the loss,
and nats. What is known of few evaluations is made no larger than the larger of both."""
FEWEST_PAIRS = 8
"""Rows from which pairs tell the error. With 7 degrees of freedom a t-statistic of 4 is one chance in 190, with 3
one in 36."""
POOLED = 3
"""Evaluations of the fixed batch that are averaged at the end, since a single one may be at the top of a swing."""


@dataclass(frozen=True, slots=True)
class Change:
    """The change of the loss between two steps.

    Attributes:
        before: Loss at the first step, in nats per token in the loss.
        after: Loss at the second step, in the same unit.
        std_error: Standard error of ``difference``, in the same unit.
        steps: The two steps.
        source: What the loss was measured on: :data:`HELD_OUT`, :data:`FIXED_BATCH` or :data:`TRAINING`.
        exact: Whether the same rows were compared one by one; if not, ``std_error`` is estimated from noise.
        last: How many losses ``after`` is the median of; 1: it is one evaluation, or a mean of some.
        first: The same of ``before``.
    """

    before: float
    after: float
    std_error: float
    steps: tuple[int, int]
    source: str = HELD_OUT
    exact: bool = True
    last: int = 1
    first: int = 1

    @property
    def difference(self) -> float:
        """``after`` minus ``before``, in nats per token: above 0 where the loss rose."""
        return self.after - self.before

    @property
    def relative(self) -> float:
        """The difference as a fraction of ``before``; 0 where that is not above 0."""
        return self.difference / self.before if self.before > 0 else 0.0

    @property
    def t(self) -> float:
        """The t-statistic: the difference in standard errors, with its sign."""
        return t_statistic(self.difference, self.std_error)


def between(first: Evaluation, last: Evaluation, source: str = HELD_OUT, scatter: float = 0.0) -> Change:
    """Return the change from one evaluation to a later one.

    Args:
        first: The earlier evaluation.
        last: The later one.
        source: What both evaluate.
        scatter: Standard deviation of one evaluation, in nats per token. Used where the losses of single rows are not
            known.
    """
    steps = (first.step, last.step)
    if (paired := paired_difference(last, first)) is not None and paired.n >= FEWEST_PAIRS:
        return Change(first.loss, last.loss, paired.std_error, steps, source)
    return Change(first.loss, last.loss, scatter * math.sqrt(2), steps, source, exact=False)


def is_number(loss: float) -> bool:
    """Return whether ``loss`` (in nats) is neither NaN nor infinite, and small enough to be squared."""
    return abs(loss) < LARGEST


def finite(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Return the evaluations all of whose losses are finite."""
    # A loss is not below 0, so that the sum of thousands of rows, which is quick, is no number where one is none.
    return [one for one in evaluations if is_number(one.loss) and is_number(sum(one.sums))]


def points_of(curve: Curve) -> list[Point]:
    """Return the training steps whose loss is finite."""
    return [point for point in curve.points if is_number(point.loss)]


def learned_points(curve: Curve) -> list[Point]:
    """Return the training steps whose loss is finite and not exactly 0, which is no level (curve-zero-loss)."""
    return [point for point in points_of(curve) if point.loss != 0]


def pooled(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the mean of several evaluations of the same rows, at the step of the last."""
    last = evaluations[-1]
    mean = statistics.fmean(one.loss for one in evaluations)
    if any(one.tokens != last.tokens for one in evaluations) or not last.tokens:
        return Evaluation(last.step, mean)
    sums = tuple(statistics.fmean(row) for row in zip(*(one.sums for one in evaluations), strict=True))
    return Evaluation(last.step, mean, sums, last.tokens)


def decisive_evaluations(curve: Curve) -> tuple[list[Evaluation], str]:
    """Return the evaluations that decide, and what they evaluate.

    Returns:
        Those of the held-out rows where there are at least two, else those of the fixed batch; empty where there are
        not two of either.
    """
    validation, fixed_batch = finite(curve.validation), finite(curve.fixed_batch)
    if len(validation) >= 2:
        return validation, HELD_OUT
    return (fixed_batch, FIXED_BATCH) if len(fixed_batch) >= 2 else ([], TRAINING)


def scatter_of(evaluations: Sequence[Evaluation]) -> float:
    """Return the standard deviation of the losses about their trend, in nats per token.

    The trend of a few evaluations is a valley, or a hill: their turn is no noise. What is left of few is itself not
    known well: it is made larger by as much as three standard errors of Student's t are.
    """
    losses = [one.loss for one in evaluations]
    if len(losses) >= MANY:
        return noise(losses)
    valley = valley_scatter(losses)
    if len(losses) < HILL:
        return valley
    least = min(valley, valley_scatter([-loss for loss in losses]))
    most = max(USUAL * middle(losses), USUAL_LEAST)
    return max(least, min(least * (1 + UNSURE / (len(losses) - FITTED)), most))


def overall(curve: Curve) -> Change | None:
    """Return the change from the start to the end of the curve.

    Measured on held-out rows or the fixed batch where they were evaluated at the start, else on training batches; None
    where there are fewer than four of those.
    """
    for evaluations, source in ((finite(curve.validation), HELD_OUT), (finite(curve.fixed_batch), FIXED_BATCH)):
        if len(evaluations) >= 2 and _of_the_start(evaluations[0], curve):
            swings = source == FIXED_BATCH and len(evaluations) >= 4 * POOLED
            last = pooled(evaluations[-POOLED:]) if swings else evaluations[-1]
            return between(evaluations[0], last, source, scatter_of(evaluations))
    return training(curve)


def _of_the_start(evaluation: Evaluation, curve: Curve) -> bool:
    """Whether it is of the model before it has learned much: not after a whole epoch, however few steps that has."""
    whole_epoch = curve.steps_per_epoch and 0 < curve.steps_per_epoch <= evaluation.step
    return not whole_epoch and evaluation.step <= max(1, START_SHARE * last_step(curve))


def training(curve: Curve, since: int = 0) -> Change | None:
    """Return the change of the training loss from about step ``since`` to the end; None for fewer than four steps."""
    points = learned_points(curve)
    if len(points) < 4:
        return None
    losses = [point.loss for point in points]
    scatter = noise(losses)
    # Few batches make the start, since the loss changes fast there.
    near = max((i for i, point in enumerate(points) if point.step <= since), default=0)
    edge = max(3 if len(points) >= 9 else 2, min(len(points) // (10 if near else 60), 200))
    start = max(0, min(near - edge // 2, len(points) - 2 * edge))
    tail = max(edge, min(len(points) // 5, len(points) - start - edge))
    ends = losses[start : start + edge], losses[-tail:]
    first, last = (level(some, scatter) for some in ends)
    if last.value > first.value:
        # A steep fall at the start is no scatter, so that a fall is judged by the noise of the log alone.
        first, last = (_level_of_some(some, scatter) for some in ends)
    if start == 0 and 0 < SHOT_UP * losses[0] < first.value:
        first = _before_it_rose(losses, first.value)
    steps = (points[start].step, points[-1].step)
    error = math.hypot(first.std_error, last.std_error)
    return Change(first.value, last.value, error, steps, TRAINING, False, last.count, first.count)


def _before_it_rose(losses: Sequence[float], after: float) -> Level:
    """The level of the first losses of a run that shoots up: those below the middle between the very first and the
    level ``after`` them. Its error is that of so many losses, if they were of the later level and low by chance."""
    middle_ = (losses[0] + after) / 2
    few = list(takewhile(lambda loss: loss < middle_, losses))
    return Level(middle(few), relative_noise(losses) * after / math.sqrt(len(few)), len(few))


def divided(curve: Curve, share: float) -> Change | None:
    """Return the change from the first ``share`` of the training losses to the rest; None for fewer than eight."""
    points = learned_points(curve)
    if len(points) < 8:
        return None
    losses = [point.loss for point in points]
    scatter, early = noise(losses), max(2, round(share * len(losses)))
    first, last = clipped_level(losses[:early], scatter), clipped_level(losses[early:], scatter)
    steps = (points[0].step, points[-1].step)
    error = math.hypot(first.std_error, last.std_error)
    return Change(first.value, last.value, error, steps, TRAINING, False, last.count, first.count)


def wobble(curve: Curve) -> float:
    """Return how much changes of the weights alone move the loss up and down, as a fraction of it.

    It is the scatter of the evaluations of the fixed batch about their running median, after warm-up; 0 for fewer than
    twelve evaluations, since it is then unknown.
    """
    warm = peak_step(curve)
    after = [one for one in finite(curve.fixed_batch) if one.step >= warm and one.loss > 0]
    losses = [one.loss for one in after]
    if len(losses) < 12:
        return 0.0
    trend = smooth(losses, 9)
    return SPREAD * statistics.median(abs(loss / around - 1) for loss, around in zip(losses, trend, strict=True))


def since_lowest(curve: Curve) -> Change | None:
    """Return the change from the lowest loss to the end.

    Returns:
        The change, on held-out rows, the fixed batch or training batches, whichever of them is there first; None where
        there are neither two evaluations nor eight training losses.
    """
    evaluations, source = decisive_evaluations(curve)
    if evaluations:
        low = min(evaluations, key=lambda one: one.loss)
        several = source == FIXED_BATCH and evaluations[-1].step > low.step
        last = pooled(evaluations[-POOLED:]) if several else evaluations[-1]
        change = between(low, last, source, scatter_of(evaluations))
        # The lowest of several evaluations is low partly by chance, and the last may be high by chance.
        return replace(change, std_error=math.hypot(change.std_error, 2 * wobble(curve) * abs(low.loss)))
    return training_since_lowest(curve)


def training_since_lowest(curve: Curve) -> Change | None:
    """Return the change of the training loss from its lowest level to the end; None for fewer than eight steps."""
    points = learned_points(curve)
    if len(points) < 8:
        return None
    losses = [point.loss for point in points]
    width = max(5, len(points) // 20)
    smoothed, scatter = smooth(losses, width), noise(losses)
    place = min(range(len(points)), key=smoothed.__getitem__)
    around = level(losses[max(0, place - width // 2) : place + width // 2 + 1], scatter)
    # What has come back in its last records has not stayed.
    last_level = min(
        (_level_of_some(losses[-some:], scatter) for some in (width, max(3, width // 3))), key=lambda one: one.value
    )
    steps = (points[place].step, points[-1].step)
    error = math.hypot(around.std_error, last_level.std_error)
    return Change(around.value, last_level.value, error, steps, TRAINING, False, last_level.count, around.count)


def _level_of_some(losses: Sequence[float], scatter: float) -> Level:
    """The level of the first or last losses. Where they scatter further than the noise of the log, which is that of its
    median record, their own scatter tells the error: a few hard batches at the end are no rise."""
    return level(losses, max(scatter, noise(losses)))


def last_step(curve: Curve) -> int:
    """Return the last step with a training loss or an evaluation; 0 without any."""
    steps = [series[-1].step for series in (curve.points, curve.validation, curve.fixed_batch) if series]
    return max(steps, default=0)


def peak_step(curve: Curve) -> int:
    """Return the step at which warm-up ends: as the run says, else where the logged learning rate stops rising."""
    if curve.warmup_steps is not None:
        return curve.warmup_steps
    logged = [(point.step, point.lr) for point in curve.points if point.lr is not None]
    for (step, lr), (_, following) in pairwise(logged):
        if following <= lr:
            return step if step > logged[0][0] else 0
    return 0


def rises_throughout(curve: Curve) -> bool:
    """Return whether the learning rate still rises at the end of the log, by half or more in all."""
    logged = [point.lr for point in curve.points if point.lr is not None and math.isfinite(point.lr)]
    rising = all(after >= before for before, after in pairwise(logged))
    return len(logged) >= 3 and rising and logged[-1] > logged[len(logged) // 2] >= 0 and logged[-1] >= 1.5 * logged[0]


def complete(curve: Curve) -> bool:
    """Return whether the run has reached its last step; False where that is not known."""
    return curve.finished or bool(curve.total_steps and last_step(curve) + curve.unlogged >= curve.total_steps)
