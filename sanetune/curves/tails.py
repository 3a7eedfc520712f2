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
FEW, FEW_SHARE = 3, 0.05
"""Runs that stand out, and the share of the records that they may be, up to which they are no part of the tail."""


def beyond_tail(rest: Sequence[float], runs: Sequence[Sequence[int]], expected: float) -> list[bool]:
    """Return of each run of neighbours whether so many as far out as it are not to be expected in such noise.

    What is beyond a high residual is taken as exponential, so that a log with heavy tails asks for more (peaks over a
    threshold; Pickands, 1975), and that it is known from few as it is (the predictive distribution). Neighbours count
    as far as they differ. Runs that are few are no part of the noise.

    Args:
        rest: Residuals of the logarithms of losses about their trend, by step.
        runs: Places of neighbours in it.
        expected: Runs as far out that noise may have, of all records.

    >>> rest = [0.1, -0.1, 0.05, -0.2, 0.0, 0.15, -0.05, 0.1, 2.5, 0.0, -0.1, 0.2]
    >>> beyond_tail(rest, [[8]], 0.01), beyond_tail(rest, [[11]], 0.01)
    ([True], [False])
    """
    ordered = sorted(runs, key=lambda run: -min(rest[i] for i in run))
    few = max(FEW, int(FEW_SHARE * len(rest)))
    apart = 1 - neighbours_alike(rest)
    found = []
    for run in runs:
        alike = ordered[:few] if run in ordered[:few] else [run]
        own = {i for one in alike for i in one}
        others = sorted((one for i, one in enumerate(rest) if i not in own), reverse=True)
        found.append(_expected(others, [rest[i] for i in run], len(rest), apart) <= expected)
    return found


def _expected(others: Sequence[float], run: Sequence[float], count: int, apart: float) -> float:
    """Runs as far out as ``run`` that are to be expected among ``count`` records with the tail of ``others``."""
    many = max(FEWEST, int(TAIL * len(others)))
    if len(others) <= many:
        return math.inf
    threshold = others[many]
    excess = max(1e-9, statistics.fmean(others[:many]) - threshold)
    chances = sorted(
        math.log(many / len(others)) - many * math.log1p(max(0.0, one - threshold) / excess / many) for one in run
    )
    return count * math.exp(chances[0] + apart * sum(chances[1:]))


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
