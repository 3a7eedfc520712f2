"""Which of the losses in one printed output were printed together, by one start of a program.

A file to which several were appended (``tee -a``) holds several runs, or one that was killed and resumed. The epoch
goes back there, or a whole training has returned before, or the bar of the training steps begins again.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from sanetune.curves.logs.entries import Entry, number
from sanetune.curves.logs.passes import ended

Printed = Sequence[tuple[int, Entry]]
"""Each printed mapping with the place of its end in the text."""


class Bar(NamedTuple):
    """A progress bar as it was drawn once.

    Attributes:
        at: Its place in the text.
        step: Steps done.
        total: Steps in all.
    """

    at: int
    step: int
    total: int


@dataclass(frozen=True, slots=True)
class Pass:
    """What one start of a program printed.

    Attributes:
        printed: Its entries.
        bars: Its bars, of the training steps and of evaluations.
    """

    printed: Printed
    bars: Sequence[Bar]


def passes_of(printed: Printed, bars: Sequence[Bar]) -> list[Pass]:
    """Return what each start of a program printed, in order.

    >>> steps = [(9, {"loss": 2.0, "epoch": 0.5}), (19, {"loss": 1.5, "epoch": 1.0})]
    >>> again = [(end + 20, entry) for end, entry in steps]
    >>> bars = [Bar(at, step, 2) for at, step in ((0, 0), (10, 1), (20, 2), (22, 0), (30, 1), (40, 2))]
    >>> [[bar.at for bar in one.bars] for one in passes_of([*steps, *again], bars)]
    [[0, 10, 20], [22, 30, 40]]
    """
    firsts = _firsts(printed, bars)
    ends = [printed[first - 1][0] for first in firsts[1:]]
    cuts = [next((bar.at for bar in bars[_bar_after(end, bars) :] if bar.step == 0), end) for end in ends]
    found = []
    for place, first in enumerate(firsts):
        following = firsts[place + 1] if place + 1 < len(firsts) else len(printed)
        begin, end = cuts[place - 1] if place else 0, cuts[place] if place < len(cuts) else math.inf
        found.append(Pass(printed[first:following], [bar for bar in bars if begin <= bar.at < end]))
    return found


def _firsts(printed: Printed, bars: Sequence[Bar]) -> list[int]:
    """The number of the first entry of each pass."""
    losses = [place for place, (_, entry) in enumerate(printed) if number(entry.get("loss")) is not None]
    firsts = [0]
    for before, after in pairwise(losses):
        epochs = _epoch(printed[before][1]), _epoch(printed[after][1])
        returned = ended([entry for _, entry in printed[before:after]])
        if epochs[1] < epochs[0] or returned or _begins_again(printed[before][0], printed[after][0], epochs, bars):
            first = after
            # An evaluation before the first step belongs to what comes after it.
            while first - 1 > before and _epoch(printed[first - 1][1]) < epochs[0]:
                first -= 1
            firsts.append(first)
    return firsts


def _begins_again(before: int, after: int, epochs: tuple[float, float], bars: Sequence[Bar]) -> bool:
    """Whether the bar of the training steps begins again between the losses that end at ``before`` and ``after``. That
    of an evaluation does so too: the epoch goes on then, and the next loss is not beside it."""
    first, second = _bar_after(before, bars), _bar_after(after, bars)
    if second == len(bars) or bars[second].step == 0:
        return False
    total = bars[second].total
    goes_on = epochs[1] > epochs[0] and bars[first].total == total
    return not goes_on and any(bar.step == 0 and bar.total == total for bar in bars[first:second])


def _bar_after(end: int, bars: Sequence[Bar]) -> int:
    """The number of the bar that is drawn right after what ends there."""
    return bisect.bisect_left(bars, end - 1, key=lambda bar: bar.at)


def _epoch(entry: Entry) -> float:
    """Not a number where it was not printed: no comparison holds then."""
    at = number(entry.get("epoch"))
    return math.nan if at is None else at
