"""How far out a record is, by the tail that the noise of its own log has."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

TAIL = 0.1
"""Share of the residuals that make the tail."""
FEWEST = 5
"""Residuals in it at least."""


def expected_runs(rest: Sequence[float], run: Sequence[int]) -> float:
    """Return how many runs of neighbours as far out as those at ``run`` are to be expected in such noise.

    What is beyond a high residual is taken as exponential, so that a log with heavy tails asks for more (peaks over a
    threshold; Pickands, 1975), and that it is known from few as it is (the predictive distribution). Neighbours count
    as far as they differ.

    Args:
        rest: Residuals of the logarithms of losses about their trend, by step.
        run: Places of neighbours in it, whose own residuals tell nothing of the noise.

    >>> rest = [0.1, -0.1, 0.05, -0.2, 0.0, 0.15, -0.05, 0.1, 2.5, 0.0, -0.1, 0.2]
    >>> expected_runs(rest, [8]) < 0.01 < expected_runs(rest, [11])
    True
    """
    own = set(run)
    others = sorted((one for i, one in enumerate(rest) if i not in own), reverse=True)
    count = max(FEWEST, int(TAIL * len(others)))
    if len(others) <= count:
        return math.inf
    threshold = others[count]
    excess = max(1e-9, statistics.fmean(others[:count]) - threshold)
    apart = 1 - neighbours_alike(rest)
    chances = sorted(
        math.log(count / len(others)) - count * math.log1p(max(0.0, rest[i] - threshold) / excess / count) for i in run
    )
    return len(rest) * math.exp(chances[0] + apart * sum(chances[1:]))


def neighbours_alike(rest: Sequence[float]) -> float:
    """Return how alike neighbouring residuals are, as a share from 0 to 1: their correlation, by medians.

    >>> neighbours_alike([0.1, -0.1] * 10), neighbours_alike([0.1] * 10 + [-0.1] * 10)
    (0.0, 1.0)
    """
    if len(rest) < 3:
        return 0.0
    size = statistics.median(abs(one) for one in rest)
    step = statistics.median(abs(b - a) for a, b in pairwise(rest))
    return min(1.0, max(0.0, 1 - (step / size) ** 2 / 2)) if size > 0 else 0.0
