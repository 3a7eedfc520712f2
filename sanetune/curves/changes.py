"""How a curve has changed between two moments, by the best evidence that it has, and how sure that is.

Rows that are not trained on decide, compared in pairs: rows differ far more from each other than one row from look to
look. The losses of training batches are used where there is nothing else, and with the noise that batches have.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sanetune.curves.robust import SPREAD, level, noise, smooth
from sanetune.curves.series import Curve, Evaluation, Point

HELD, PROBE, TRAINING = "held-out rows", "the probe batch", "training batches"
START_SHARE = 0.02
"""A look counts as one at the start within this share of the steps looked at."""
SHOT_UP = 1.3
"""Times the first loss: more than the next two differ from it by noise."""
LARGEST = 1e30
"""What is above is as good as infinite."""
POOLED = 3
"""Looks at the probe batch that make the end: one alone is one moment of a swing."""


@dataclass(frozen=True, slots=True)
class Change:
    """From ``before`` to ``after`` (loss per learnt token), with the standard error of the difference. ``exact``:
    compared row by row on the same rows; otherwise the error is read off noise."""

    before: float
    after: float
    error: float
    steps: tuple[int, int]
    source: str = HELD
    exact: bool = True

    @property
    def by(self) -> float:
        """Above 0: it rose."""
        return self.after - self.before

    @property
    def share(self) -> float:
        """Of the level before."""
        return self.by / self.before if self.before > 0 else 0.0

    @property
    def sure(self) -> float:
        """In standard errors; with the sign of the change."""
        if self.by == 0:
            return 0.0
        return self.by / self.error if self.error > 0 else math.copysign(math.inf, self.by)


def between(first: Evaluation, last: Evaluation, source: str = HELD, scatter: float = 0.0) -> Change:
    """From one look to a later one. ``scatter``: standard deviation of a look, for looks without rows."""
    steps = (first.step, last.step)
    if first.tokens and first.tokens == last.tokens and len(first.sums) == len(last.sums) > 1:
        tokens, count = sum(first.tokens), len(first.tokens)
        by = [b - a for a, b in zip(first.sums, last.sums, strict=True)]
        mean = sum(by) / tokens
        rest = sum((change - mean * size) ** 2 for change, size in zip(by, first.tokens, strict=True))
        error = math.sqrt(rest * count / (count - 1)) / tokens
        return Change(first.loss, last.loss, error, steps, source)
    return Change(first.loss, last.loss, scatter * math.sqrt(2), steps, source, exact=False)


def is_number(loss: float) -> bool:
    """Whether it can be reckoned with: not NaN, nor infinite, nor so large that a square of it would be."""
    return abs(loss) < LARGEST


def finite(looks: Sequence[Evaluation]) -> list[Evaluation]:
    """Those that are numbers."""
    return [look for look in looks if is_number(look.loss) and all(is_number(one) for one in look.sums)]


def points_of(curve: Curve) -> list[Point]:
    """Training points that are numbers."""
    return [point for point in curve.points if is_number(point.loss)]


def pooled(looks: Sequence[Evaluation]) -> Evaluation:
    """The mean of several looks at the same rows, as one look at the step of the last."""
    last = looks[-1]
    mean = statistics.fmean(look.loss for look in looks)
    if any(look.tokens != last.tokens for look in looks) or not last.tokens:
        return Evaluation(last.step, mean)
    sums = tuple(statistics.fmean(row) for row in zip(*(look.sums for look in looks), strict=True))
    return Evaluation(last.step, mean, sums, last.tokens)


def looks_of(curve: Curve) -> tuple[list[Evaluation], str]:
    """The looks that decide, with the name of what they look at: held-out rows where there are two looks, else the
    probe batch; empty where there is neither."""
    held, probe = finite(curve.validation), finite(curve.fixed_batch)
    if len(held) >= 2:
        return held, HELD
    return (probe, PROBE) if len(probe) >= 2 else ([], TRAINING)


def scatter_of(looks: Sequence[Evaluation]) -> float:
    """How far looks without rows jump about their trend (with rows the pairs tell better)."""
    return noise([look.loss for look in looks])


def overall(curve: Curve) -> Change | None:
    """From before the first step to the end; None where the start or the end was not looked at."""
    for looks, source in ((finite(curve.validation), HELD), (finite(curve.fixed_batch), PROBE)):
        if len(looks) >= 2 and looks[0].step <= max(1, START_SHARE * last_step(curve)):
            last = pooled(looks[-POOLED:]) if source == PROBE and len(looks) >= 4 * POOLED else looks[-1]
            return between(looks[0], last, source, scatter_of(looks))
    return training(curve)


def training(curve: Curve, since: int = 0) -> Change | None:
    """From about the step ``since`` to the end, by the training batches. None: fewer than four of them."""
    points = points_of(curve)
    if len(points) < 4:
        return None
    losses = [point.loss for point in points]
    scatter = noise(losses)
    # The first batches are few: the loss leaves its start fast, downwards or upwards.
    near = max((i for i, point in enumerate(points) if point.step <= since), default=0)
    edge = max(3 if len(points) >= 9 else 2, min(len(points) // (10 if near else 60), 200))
    start = max(0, min(near - edge // 2, len(points) - 2 * edge))
    tail = max(edge, min(len(points) // 5, len(points) - start - edge))
    first = level(losses[start : start + edge], scatter)
    last = level(losses[-tail:], scatter)
    # The very first batch has seen no step: where the loss shoots up from there, it alone is the start.
    begin = losses[0] if start == 0 and first.value > SHOT_UP * losses[0] else first.value
    steps = (points[start].step, points[-1].step)
    return Change(begin, last.value, math.hypot(first.error, last.error), steps, TRAINING, exact=False)


def halved(curve: Curve) -> Change | None:
    """From the first half of the training batches to the second. None: fewer than eight."""
    points = points_of(curve)
    if len(points) < 8:
        return None
    losses = [point.loss for point in points]
    scatter, half = noise(losses), len(losses) // 2
    first, last = level(losses[:half], scatter), level(losses[half:], scatter)
    steps = (points[0].step, points[-1].step)
    return Change(first.value, last.value, math.hypot(first.error, last.error), steps, TRAINING, exact=False)


def wobble(curve: Curve) -> float:
    """How far the weights themselves move the loss to and fro, as a share of it: the scatter of the looks at the probe
    batch about their own course, after warm-up. 0 where there are fewer than twelve: not known."""
    losses = [look.loss for look in finite(curve.fixed_batch) if look.step >= peak_step(curve) and look.loss > 0]
    if len(losses) < 12:
        return 0.0
    course = smooth(losses, 9)
    return SPREAD * statistics.median(abs(loss / around - 1) for loss, around in zip(losses, course, strict=True))


def since_lowest(curve: Curve) -> Change | None:
    """From the lowest level on the way to the end. None: nothing to compare."""
    looks, source = looks_of(curve)
    if looks:
        low = min(looks, key=lambda look: look.loss)
        last = pooled(looks[-POOLED:]) if source == PROBE and looks[-1].step > low.step else looks[-1]
        change = between(low, last, source, scatter_of(looks))
        # The lowest of several looks is low by chance too, and the last may be high by chance.
        return replace(change, error=math.hypot(change.error, 2 * wobble(curve) * abs(low.loss)))
    points = points_of(curve)
    if len(points) < 8:
        return None
    losses = [point.loss for point in points]
    width = max(5, len(points) // 20)
    smoothed, scatter = smooth(losses, width), noise(losses)
    place = min(range(len(points)), key=smoothed.__getitem__)
    around = level(losses[max(0, place - width // 2) : place + width // 2 + 1], scatter)
    last_level = level(losses[-width:], scatter)
    steps = (points[place].step, points[-1].step)
    error = math.hypot(around.error, last_level.error)
    return Change(around.value, last_level.value, error, steps, TRAINING, exact=False)


def last_step(curve: Curve) -> int:
    """The last step that anything is known of."""
    steps = [series[-1].step for series in (curve.points, curve.validation, curve.fixed_batch) if series]
    return max(steps, default=0)


def peak_step(curve: Curve) -> int:
    """The step at which warm-up is over: as the run says, or where the logged rate stops rising."""
    if curve.warmup_steps is not None:
        return curve.warmup_steps
    rates = [(point.step, point.lr) for point in curve.points if point.lr is not None]
    for (step, rate), (_, following) in pairwise(rates):
        if following <= rate:
            return step if step > rates[0][0] else 0
    return 0


def complete(curve: Curve) -> bool:
    """Whether the run has come to its end; not known counts as no."""
    return curve.finished or (curve.total_steps is not None and last_step(curve) >= curve.total_steps > 0)
