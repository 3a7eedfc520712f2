"""Whether losses fall in any of the ways in which those of a healthy run do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sanetune.curves.paired import t_statistic
from sanetune.curves.robust import SPREAD, middle, noise

FEWEST = 16
"""Losses in which a course can be seen."""
CLIP = 2.5
"""Standard deviations from their median to which losses are clipped: hard batches are no course."""
QUICK = (0.05, 0.2)
"""Shares of the run in which two thirds of a quick fall are over."""


@dataclass(frozen=True, slots=True)
class Fall:
    """What losses may have fallen by.

    Attributes:
        sure: Standard errors of the fall that is seen best: straight, by the logarithm of the step, or quick.
        straight: The straight fall that fits best, from the first to the last, as a share of their median.
        std_error: Standard error of ``straight``.
    """

    sure: float
    straight: float
    std_error: float


def fall_of(losses: Sequence[float]) -> Fall | None:
    """Return what flat or nearly flat losses may have fallen by; None for fewer than sixteen.

    Courses are fitted by least squares, which use all losses where a comparison of ends or halves uses some.

    >>> flat, falling = fall_of([1.0, 1.1] * 20), fall_of([1.1 - i / 400 for i in range(40)])
    >>> round(flat.sure, 1), round(falling.straight, 2), falling.sure
    (-0.1, 0.1, inf)
    """
    count = len(losses)
    if count < FEWEST:
        return None
    median, scatter = middle(losses), noise(losses)
    reach = CLIP * max(scatter, SPREAD * middle([abs(loss - median) for loss in losses]))
    kept = [min(max(loss, median - reach), median + reach) for loss in losses]
    at = [(i + 0.5) / count for i in range(count)]
    slow = [[-place for place in at], [-math.log(place) for place in at]]
    courses = [*slow, *([math.exp(-place / quick) for place in at] for quick in QUICK)]
    fitted = [_fitted(kept, course, scatter) for course in courses]
    straight, std_error = fitted[0]
    surest = max(t_statistic(fall, error) for fall, error in fitted)
    return Fall(surest, straight / median if median > 0 else 0.0, std_error / median if median > 0 else math.inf)


def _fitted(losses: Sequence[float], course: Sequence[float], scatter: float) -> tuple[float, float]:
    """How many times ``course`` is in the losses, and the standard error of that."""
    mean = sum(course) / len(course)
    apart = [one - mean for one in course]
    squares = sum(one * one for one in apart)
    return sum(one * loss for one, loss in zip(apart, losses, strict=True)) / squares, scatter / math.sqrt(squares)
