"""Shares of yes-or-no measurements: their intervals, their differences, and several of them at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

Z = 1.959963984540054
"""Standard deviations of a two-sided interval at 95 %."""


def wilson(ones: int, total: int, z: float = Z) -> tuple[float, float]:
    """Return the interval of a share of which ``ones`` of ``total`` are seen; (0, 1) of none.

    Wilson's score interval (E. B. Wilson, JASA 22, 1927): it stays inside 0 to 1 and is honest for few samples.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    if not total:
        return 0.0, 1.0
    share, weight = ones / total, z * z / total
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    # Exact at the ends, where rounding leaves a trace.
    return (max(0.0, middle - half) if ones else 0.0), (min(1.0, middle + half) if ones < total else 1.0)


def clopper_pearson(ones: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share, which holds it in at least ``level`` of cases; (0, 1) of none.

    Clopper and Pearson, Biometrika 26, 1934: wider than Wilson's, and never too narrow.

    >>> [round(end, 3) for end in clopper_pearson(8, 10)]
    [0.444, 0.975]
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(ones, total - ones + 1, tail)) if ones else 0.0
    high = float(betaincinv(ones + 1, total - ones, 1 - tail)) if ones < total else 1.0
    return low, high


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p-value of as many wins as losses; 1 where there are neither.

    Exact; of pairs of yes-or-no measurements that changed it is McNemar's test (Psychometrika 12, 1947).

    >>> sign_test(9, 1)
    0.021484375
    """
    total = wins + losses
    if not total:
        return 1.0
    tail = sum(math.comb(total, k) for k in range(max(wins, losses), total + 1))
    return float(min(1.0, 2 * tail / 2**total))


def changed(pairs: Iterable[tuple[bool, bool]]) -> tuple[int, int]:
    """Return how many pairs (before, after) became true, and how many became false.

    >>> changed([(False, True), (True, True), (True, False), (False, True)])
    (2, 1)
    """
    became = [after for before, after in pairs if before != after]
    return sum(became), len(became) - sum(became)


def holm(ps: Sequence[float]) -> list[float]:
    """Return p-values corrected for being several, in their order (S. Holm, Scand. J. Statist. 6, 1979).

    Args:
        ps: Probabilities from 0 to 1, without units.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [1.0] * len(ps)
    highest = 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=lambda one: ps[one])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[at]))
        corrected[at] = highest
    return corrected
