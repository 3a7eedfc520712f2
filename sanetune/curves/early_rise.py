"""Runs whose training loss rises from its first records on, in logarithms: batches scatter by a share of their loss."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sanetune.curves.changes import learned_points
from sanetune.curves.humps import widened
from sanetune.curves.robust import OF_MEDIAN, bends, middle, relative_noise, smooth
from sanetune.curves.series import Curve, Point

FEWEST = 10
"""Records in which a rise can be told from the noise of the first ones."""
EARLY = 200
"""Records within which the loss is highest: what rises later does so from another level."""
FIRST = 3
"""First records that may be the start: as many as are still low, of a loss that shoots up only one."""
ALLOWED = 0.2
"""Rise of a healthy loss at its start, with a fresh optimizer at the full learning rate: held-out losses of healthy
short runs rise by up to 15 % and come back (docs/curves.md, part A)."""
EARLY_SURE = 3.3
EARLY_SOURCE = (
    "standard errors of a rise from the first records on, beyond one that healthy runs have: up to 2.9 in short runs at"
    " sound learning rates, 3.5 and more at ten times them (docs/curves.md, part A)"
)
"""The limit of the checks that use it, and where it comes from."""
WIDTH = 5
"""Records of a running median, at least; and of the end."""


@dataclass(frozen=True, slots=True)
class EarlyRise:
    """The rise of the training loss from its first records.

    Attributes:
        start: Level of the first records, in nats per token in the loss.
        records: How many they are.
        peak: Highest running median, in the same unit.
        peak_step: Its step.
        end: Median of the last records, in the same unit.
        last: How many those are.
        above: The records around the peak above the middle between it and ``start``, without a gap.
        sure: Standard errors of the logarithm of ``peak`` above that of ``start`` and the rise that is allowed.
        end_sure: Those of ``end``.
    """

    start: float
    records: int
    peak: float
    peak_step: int
    end: float
    last: int
    above: Sequence[Point]
    sure: float
    end_sure: float

    @property
    def highest(self) -> Point:
        """The record with the highest loss in it."""
        return max(self.above, key=lambda point: point.loss)

    @property
    def times(self) -> float:
        """The peak divided by the start."""
        return self.peak / self.start

    @property
    def end_times(self) -> float:
        """The end divided by the start."""
        return self.end / self.start


def early_rise(curve: Curve) -> EarlyRise | None:
    """Return how far the training loss rises above its first records; None for fewer than ten, and where none is far
    above them.

    >>> from sanetune.curves.series import Point
    >>> losses = [2.0, 2.1, 2.0, 4.0, 6.0, 6.1, 6.0, 5.0, 4.1, 4.0, 4.0, 3.9, 4.0, 4.0, 4.0, 4.0]
    >>> rise = early_rise(Curve([Point(step, loss) for step, loss in enumerate(losses, 1)]))
    >>> (rise.records, rise.peak, rise.peak_step, rise.end, rise.sure > 4) if rise else None
    (3, 6.0, 5, 4.0, True)
    """
    points = [point for point in learned_points(curve) if point.loss > 0]
    if len(points) < FEWEST:
        return None
    losses = [point.loss for point in points]
    early = losses[:EARLY]
    if max(early) <= (1 + ALLOWED) * min(early[:FIRST]):
        return None
    scatter, width = relative_noise(early), max(WIDTH, len(early) // 20)
    smoothed = smooth(early, width)
    # A running median is of fewer losses at both ends.
    inside = range(width // 2, len(early) - width // 2)
    place = max(inside, key=smoothed.__getitem__)
    last = max(WIDTH, len(losses) // 5)
    peak, end = smoothed[place], middle(losses[-last:])

    single = max(scatter, _scatter_of_far(early[place:]))

    def sure(level: float, count: int, of: int) -> float:
        # Of one record, any of the noise's far ones is the level; of several, a median is.
        error = math.hypot((single if count == 1 else scatter) / math.sqrt(count), scatter * OF_MEDIAN / math.sqrt(of))
        return math.log(level / middle(losses[:count]) / (1 + ALLOWED)) / max(error, 1e-9)

    records = max(range(1, FIRST + 1), key=lambda count: sure(peak, count, width))
    start = middle(losses[:records])
    highest = max(range(place - width // 2, place + width // 2 + 1), key=early.__getitem__)
    left, right = widened(early, highest, highest, (peak + start) / 2)
    return EarlyRise(
        start,
        records,
        peak,
        points[place].step,
        end,
        last,
        points[left : right + 1],
        sure(peak, records, width),
        sure(end, records, last),
    )


def _scatter_of_far(losses: Sequence[float]) -> float:
    """Standard deviation of a logarithm about the trend with the far ones in it; 0 for too few that would tell."""
    some = bends([math.log(loss) for loss in losses])
    return math.sqrt(statistics.fmean(one * one for one in some) / 6) if len(some) >= FEWEST else 0.0
