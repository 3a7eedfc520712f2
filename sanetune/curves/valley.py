"""The valley that fits a few evaluations best: falling up to one of them, rising after it.

Few evaluations that turn are not noisy: what is left when their turn is taken out is their noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


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
