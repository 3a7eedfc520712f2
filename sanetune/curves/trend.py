"""Levels of a noisy row of numbers, how sure they are, and turns that are more than noise. Outliers count for little.

Noise of batches is read off second differences, which a slow trend does not touch; the error of a level also off the
scatter of block means, because neighbouring batches can be alike (rows sorted by length, epochs).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

SPREAD = 1.4826
"""Median of absolute deviations to standard deviation, for normal noise."""
OF_MEDIAN = 1.2533
"""Standard error of a median over that of a mean, for normal noise."""


@dataclass(frozen=True, slots=True)
class Level:
    """Where a row of numbers stands: its centre, the standard error of that, and how many numbers it is made of."""

    value: float
    error: float
    count: int


def noise(values: Sequence[float]) -> float:
    """Standard deviation around the trend; 0 where there are fewer than three numbers."""
    if len(values) < 3:
        return 0.0
    bends = [abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    robust = SPREAD * statistics.median(bends) / math.sqrt(6)
    # A median over a handful is itself noisy, and low as often as high.
    return robust if len(bends) >= 12 else max(robust, math.sqrt(statistics.fmean(b * b for b in bends) / 6) / 2)


def level(values: Sequence[float], scatter: float) -> Level:
    """The median of ``values``; ``scatter``: standard deviation of one of them (see :func:`noise`)."""
    count = len(values)
    if not count:
        return Level(math.nan, math.inf, 0)
    error = scatter / math.sqrt(count) * (OF_MEDIAN if count > 2 else 1.0)
    if count >= 12:
        size = max(3, round(math.sqrt(count)))
        blocks = [statistics.fmean(values[i : i + size]) for i in range(0, count - size + 1, size)]
        error = max(error, statistics.stdev(blocks) / math.sqrt(len(blocks)))
    return Level(statistics.median(values), error, count)


def smooth(values: Sequence[float], width: int) -> list[float]:
    """Running median over ``width`` numbers, fewer at the ends."""
    half = max(1, width) // 2
    return [statistics.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]


def before(values: Sequence[float], place: int, width: int) -> float:
    """Median of the ``width`` numbers before ``place`` (NaN: there are none)."""
    some = values[max(0, place - width) : place]
    return statistics.median(some) if some else math.nan


def swings(values: Sequence[float], least: float) -> list[float]:
    """Heights of the upward swings of at least ``least``, each from a low to the high before the next low: the rises
    of a zigzag that leaves out every turn smaller than ``least``."""
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
    """The slope per step of a straight line, as the median of the slopes between numbers half a row apart (robust,
    as Theil and Sen have it), and its standard error."""
    count = len(values)
    half = count // 2
    if half < 1:
        return 0.0, math.inf
    pairs = [(i, i + count - half) for i in range(half)]
    some = [(values[b] - values[a]) / (steps[b] - steps[a]) for a, b in pairs if steps[b] > steps[a]]
    if not some:
        return 0.0, math.inf
    gap = statistics.fmean(steps[b] - steps[a] for a, b in pairs)
    scatter = noise(values)
    return statistics.median(some), OF_MEDIAN * scatter * math.sqrt(2 / len(some)) / gap
