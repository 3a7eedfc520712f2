"""Levels of a noisy row of numbers, how sure they are, and turns that are more than noise. Outliers count for little.

Noise of batches is read off second differences, which a slow trend does not touch; the error of a level also off the
scatter of block means, because neighbouring batches can be alike (rows sorted by length, epochs).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SPREAD = 1.4826
"""Median of absolute deviations to standard deviation, for normal noise."""
BLOCKS = 8
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
    """The slope per step of a straight line through the medians of eight blocks, and its standard error, which also
    grows with what does not lie on a line (neighbouring batches that are alike). At least eight numbers."""
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
