"""Kendall's test for a rise, without scipy's statistics, which take most of a second to import."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

EXACT = 33
"""Values up to which the p-value is exact where no two are the same, as in scipy; of more the normal law is close."""


def rise_p_value(values: Sequence[float]) -> float:
    """Return the one-sided p-value of Kendall's tau of losses (in nats, by step) with their order; 1 for fewer than
    two, and for losses that are all the same.

    >>> rise_p_value([1.0, 2.0, 3.0, 4.0]) == 1 / 24, rise_p_value([2.0, 1.0])
    (True, 1.0)
    """
    falls, ties = _falls(values), [count for count in Counter(values).values() if count > 1]
    if len(values) < 2 or len(values) in ties:
        return 1.0
    if not ties and len(values) <= EXACT:
        return _share_with_so_few(len(values), falls)
    pairs = len(values) * (len(values) - 1) // 2
    rises = pairs - sum(count * (count - 1) // 2 for count in ties) - falls
    return math.erfc((rises - falls) / math.sqrt(2 * _variance(len(values), ties))) / 2


def _falls(values: Sequence[float]) -> int:
    """How many pairs of values fall."""
    before: list[float] = []
    falls = 0
    for value in values:
        falls += len(before) - bisect_right(before, value)
        insort(before, value)
    return falls


def _share_with_so_few(count: int, falls: int) -> float:
    """The share of the orders of ``count`` values of which at most ``falls`` pairs fall, by the recurrence that adds a
    value: with it as many more fall as there are greater ones before it."""
    orders = [1]
    for before in range(1, count):
        sums = [0, *accumulate([*orders, *([0] * before)])]
        orders = [sums[fell + 1] - sums[max(0, fell - before)] for fell in range(len(sums) - 1)]
    return sum(orders[: falls + 1]) / math.factorial(count)


def _variance(count: int, ties: Sequence[int]) -> float:
    """Variance of the rises less the falls in any order, with so many values the same."""
    return (_weight(count) - sum(map(_weight, ties))) / 18


def _weight(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)
