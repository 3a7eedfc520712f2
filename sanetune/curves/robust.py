"""Robust statistics of a noisy series of losses or norms: noise, level, swings and slope.

Medians limit what outliers do. Noise is estimated from second differences, which a slow trend does not change. The
standard error of a level also takes the scatter of block means into account, because neighbouring batches can be alike
(rows sorted by length, epochs).
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SPREAD = 1.4826
"""Standard deviation divided by the median absolute deviation, for normal noise."""
CLIP = 2.0
"""Standard deviations from the median to which :func:`clipped_level` clips."""
BLOCKS = 8
"""Blocks that :func:`slope` fits a line through."""
OF_MEDIAN = 1.2533
"""Standard error of a median divided by that of a mean, for normal noise: the root of pi / 2."""


@dataclass(frozen=True, slots=True)
class Level:
    """The level of a series of losses or norms.

    Attributes:
        value: Its median.
        std_error: Standard error of the median.
        count: Numbers that it is from.
    """

    value: float
    std_error: float
    count: int


def noise(values: Sequence[float], lag: int = 1) -> float:
    """Return the standard deviation of losses or norms about their trend; 0 for fewer than three of them.

    Args:
        values: The losses or norms, by step.
        lag: Places between those that are compared: neighbours may be alike.

    >>> noise([3.0, 2.0, 1.0])
    0.0
    """
    if len(values) < 3:
        return 0.0
    some = bends(values, lag)
    if not some:
        return 0.0
    robust = SPREAD * statistics.median(some) / math.sqrt(6)
    # The median of a few numbers is noisy itself, and too low as often as too high.
    return robust if len(some) >= 12 else max(robust, math.sqrt(statistics.fmean(b * b for b in some) / 6) / 2)


def bends(values: Sequence[float], lag: int = 1) -> list[float]:
    """Return the sizes of all second differences; for normal noise their variance is six times that of a value.

    >>> bends([3.0, 2.0, 1.0, 4.0])
    [0.0, 4.0]
    """
    return [abs(a - 2 * b + c) for a, b, c in zip(values, values[lag:], values[2 * lag :], strict=False)]


def level(values: Sequence[float], scatter: float) -> Level:
    """Return the level of a series of losses or norms.

    Args:
        values: The losses or norms, by step.
        scatter: Standard deviation of one of them (see :func:`noise`).

    Returns:
        The level; NaN with an infinite standard error where there are no values.
    """
    count = len(values)
    if not count:
        return Level(math.nan, math.inf, 0)
    std_error = scatter / math.sqrt(count) * (OF_MEDIAN if count > 2 else 1.0)
    return Level(statistics.median(values), max(std_error, _of_blocks(values)), count)


def clipped_level(values: Sequence[float], scatter: float) -> Level:
    """Return the level of losses or norms as the mean of those clipped to :data:`CLIP` deviations of their median.

    It is known a fifth more closely than their median, and outliers move it no further than the clip (Huber, 1964).

    Args:
        values: The losses or norms, by step.
        scatter: Standard deviation of one of them (see :func:`noise`).
    """
    median, most = level(values, scatter), CLIP * scatter
    if median.count < 3:
        return median
    kept = [min(max(value, median.value - most), median.value + most) for value in values]
    std_error = max(scatter / math.sqrt(len(kept)), _of_blocks(kept))
    return Level(statistics.fmean(kept), std_error, len(kept))


def _of_blocks(values: Sequence[float]) -> float:
    """The standard error of a mean by the scatter of the means of blocks; 0 for fewer than twelve values."""
    count = len(values)
    if count < 12:
        return 0.0
    size = max(3, round(math.sqrt(count)))
    blocks = [statistics.fmean(values[i : i + size]) for i in range(0, count - size + 1, size)]
    return statistics.stdev(blocks) / math.sqrt(len(blocks))


def middle(values: Sequence[float]) -> float:
    """Return the median of losses or norms; NaN for none.

    >>> middle([3.0, 1.0, 2.0, 9.0])
    2.5
    """
    ordered, half = sorted(values), len(values) // 2
    if not ordered:
        return math.nan
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def smooth(values: Sequence[float], width: int) -> list[float]:
    """Return the running median of losses or norms over ``width`` steps, fewer at both ends.

    >>> smooth([1.0, 9.0, 2.0, 3.0], 3)
    [5.0, 2.0, 3.0, 2.5]
    """
    half, count = max(1, width) // 2, len(values)
    window = sorted(values[:half])
    medians = []
    for i in range(count):
        if i + half < count:
            insort(window, values[i + half])
        if i > half:
            del window[bisect_left(window, values[i - half - 1])]
        middle = len(window) // 2
        medians.append(window[middle] if len(window) % 2 else (window[middle - 1] + window[middle]) / 2)
    return medians


def relative_noise(values: Sequence[float]) -> float:
    """Return the standard deviation of losses about their trend as a share of them; 0 for fewer than three above 0.

    Batches scatter by a share of their loss rather than by so many nats, so that one figure serves a whole curve.

    >>> relative_noise([4.0, 2.0, 1.0])
    0.0
    """
    return noise([math.log(value) for value in values if value > 0])


def swings(values: Sequence[float], least: float) -> list[float]:
    """Return the heights of the upward swings of a loss.

    A swing is a rise from a low to the high before the next low. Turns smaller than ``least`` are ignored, as in a
    zigzag indicator.

    Args:
        values: The losses, by step.
        least: Height of the smallest swing that counts, in the unit of the losses.

    >>> swings([3, 1, 2, 1, 3, 2.9], 0.5)
    [1, 2]
    """
    found: list[float] = []
    low = high = values[0] if values else 0.0
    rising = False
    for value in values[1:]:
        if rising:
            high = max(high, value)
            if high - value >= least:
                found.append(high - low)
                rising, low = False, value
        else:
            low = min(low, value)
            if value - low >= least:
                rising, high = True, value
    return [*found, high - low] if rising else found


def slope(steps: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return the slope of a series of losses per step, and its standard error.

    A straight line is fitted to the medians of eight blocks. The standard error is the larger of two: from the noise of
    single values, and from how far the blocks are from the line, since neighbouring batches can be alike.

    Args:
        steps: Steps of the values; at least eight.
        values: Losses, one for each step.

    Returns:
        0 and an infinite standard error where all steps are the same.
    """
    count = len(values)
    edges = [round(block * count / BLOCKS) for block in range(BLOCKS + 1)]
    blocks = list(pairwise(edges))
    xs = [statistics.fmean(steps[a:b]) for a, b in blocks]
    ys = [statistics.median(values[a:b]) for a, b in blocks]
    centre, height = statistics.fmean(xs), statistics.fmean(ys)
    spread = sum((x - centre) ** 2 for x in xs)
    if spread <= 0:
        return 0.0, math.inf
    found = sum((x - centre) * (y - height) for x, y in zip(xs, ys, strict=True)) / spread
    rest = sum((y - height - found * (x - centre)) ** 2 for x, y in zip(xs, ys, strict=True)) / (BLOCKS - 2)
    of_noise = OF_MEDIAN * noise(values) / math.sqrt(count / BLOCKS)
    return found, max(math.sqrt(rest), of_noise) / math.sqrt(spread)
