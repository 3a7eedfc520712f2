"""The valley that fits a few evaluations best: falling up to one of them, rising after it.

Few evaluations that turn are not noisy: what is left when their turn is taken out is their noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from sanetune.curves.kendall import rise_p_value
from sanetune.curves.robust import relative_noise

LATER = 5
"""Losses, all of which are above the lowest before them, from which on that is no chance."""
MANY = 12
"""Losses until the lowest, that tell what they scatter by."""
BY_CHANCE = 1.5
"""Standard deviations that the lowest of many losses is further down than the lowest of some later ones."""
LAST = 3
"""Losses at the end that show where it is."""


def valley_scatter(losses: Sequence[float]) -> float:
    """Return the standard deviation of losses (in nats) about the valley that fits them best; 0 for fewer than four.

    >>> valley_scatter([2.0, 1.5, 1.6, 1.8])
    0.0
    >>> round(valley_scatter([2.0, 1.5, 1.7, 1.5, 1.7]), 2)
    0.08
    """
    if len(losses) < 4:
        return 0.0
    falling, rising = _rests(losses), _rests(losses[::-1])[::-1]
    least = min(falling[i] + rising[i] for i in range(len(losses)))
    return math.sqrt(max(0.0, least) / (len(losses) - 2))


def all_later_above(losses: Sequence[float]) -> float:
    """Return how far every loss after the lowest is above it, as a share of it; 0 for fewer than five of them.

    Evaluations of a run that was thrown off scatter widely, and the more so the further it was thrown: their scatter is
    no error of the lowest. What those until the lowest scatter by is: of many, one is that far down by chance.

    >>> all_later_above([2.0, 3.0, 4.0, 2.5, 3.5, 3.0])
    0.25
    """
    place = min(range(len(losses)), key=losses.__getitem__, default=0)
    later = losses[place + 1 :]
    if len(later) < LATER or losses[place] <= 0:
        return 0.0
    until = losses[: place + 1]
    chance = BY_CHANCE * relative_noise(until) if len(until) >= MANY else 0.0
    return max(0.0, min(later) / losses[place] * math.exp(-chance) - 1)


def climbs(losses: Sequence[float]) -> int:
    """Return how many losses follow the lowest, where each is above the one before it; else 0.

    >>> climbs([2.0, 1.0, 1.1, 1.2, 1.4]), climbs([2.0, 1.0, 1.2, 1.1])
    (3, 0)
    """
    place = min(range(len(losses)), key=losses.__getitem__, default=0)
    rises = [after > before for before, after in pairwise(losses[place:])]
    return len(rises) if all(rises) else 0


def last_above(losses: Sequence[float]) -> float:
    """Return how far each of the last three losses is above the lowest, as a share of it; 0 where that is one of them,
    and for fewer than four.

    >>> last_above([2.0, 1.5, 1.0, 1.25, 1.5, 1.25])
    0.25
    """
    low = min(losses, default=0.0)
    return min(losses[-LAST:]) / low - 1 if len(losses) > LAST and low > 0 else 0.0


def steady_rise(losses: Sequence[float]) -> float:
    """Return how steadily the losses after the lowest rise: the one-sided p-value of Kendall's tau with their order; 1
    for fewer than five of them. It would be a chance if they scattered independently; evaluations of weights that drift
    do not.

    >>> round(steady_rise([2.0, 1.5, 1.6, 1.7, 1.75, 1.8, 1.9]), 4), steady_rise([2.0, 1.5, 1.6])
    (0.0083, 1.0)
    """
    place = min(range(len(losses)), key=losses.__getitem__, default=0)
    later = losses[place + 1 :]
    return rise_p_value(later) if len(later) >= LATER else 1.0


def _rests(losses: Sequence[float]) -> list[float]:
    """The squared residuals of the best falling fit to the losses up to each of them (pool adjacent violators)."""
    blocks: list[tuple[float, int, float]] = []  # sum, count, sum of squares
    rests: list[float] = []
    done = 0.0
    for loss in losses:
        block = (loss, 1, loss * loss)
        while blocks and blocks[-1][0] / blocks[-1][1] < block[0] / block[1]:
            before = blocks.pop()
            done -= _rest(before)
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
        done += _rest(block)
        rests.append(done)
    return rests


def _rest(block: tuple[float, int, float]) -> float:
    return block[2] - block[0] ** 2 / block[1]
