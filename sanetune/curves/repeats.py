"""Losses that come again to the last digit: the same rows cost the same because the weights have not moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST, DIFFERENT = 5, 4
"""Losses in a row that come again, and different ones among them."""
SPREAD = 100.0
"""Units of the last digit between the lowest and the highest of them, below which losses are alike by chance."""
MOST = 4_000
"""Losses that are compared: weights that do not move at all do not do so from the start on."""
LAGS = 3
"""Distances that are tried: those at which most losses come again."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Losses that come again in the same order.

    Attributes:
        first: Place of the first of them.
        again: Place at which it comes again.
        count: How many they are.
    """

    first: int
    again: int
    count: int


def repeated(losses: Sequence[float]) -> Repeat | None:
    """Return the longest part of a series of losses that comes again to the last digit, in the same order.

    Args:
        losses: In nats per token in the loss, or in any other unit, by step.

    >>> repeated([0.9741, 1.3742, 1.239, 0.967, 1.0386, 0.9741, 1.3742, 1.239, 0.967, 1.0386])
    Repeat(first=0, again=5, count=5)
    >>> repeated([2.0, 1.5, 2.0, 1.5, 2.0, 1.5, 2.0, 1.5, 2.0, 1.5]) is None
    True
    """
    some = losses[:MOST]
    seen: dict[float, list[int]] = {}
    lags: Counter[int] = Counter()
    for place, loss in enumerate(some):
        places = seen.setdefault(loss, [])
        lags.update(place - before for before in places[-DIFFERENT:])
        places.append(place)
    found = [_longest(some, lag) for lag, count in lags.most_common(LAGS) if count >= FEWEST]
    return max((one for one in found if one), key=lambda one: one.count, default=None)


def _longest(losses: Sequence[float], lag: int) -> Repeat | None:
    """The longest part that comes again after ``lag`` places, where it is no chance."""
    best, count = None, 0
    for place in range(lag, len(losses)):
        count = count + 1 if losses[place] == losses[place - lag] else 0
        if count >= FEWEST and (best is None or count > best.count) and _differ(losses[place - count + 1 : place + 1]):
            best = Repeat(place - lag - count + 1, place - count + 1, count)
    return best


def _differ(losses: Sequence[float]) -> bool:
    different = set(losses)
    decimals = max(len(repr(loss).partition(".")[2]) for loss in different)
    return len(different) >= DIFFERENT and (max(different) - min(different)) * 10**decimals >= SPREAD
