"""Rises of a loss that come back, whatever their length.

A hump is above the lowest loss before it and the lowest after it. It is looked for at several widths of a running
median: narrow ones show short humps, wide ones those that single losses hide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from sanetune.curves.robust import OF_MEDIAN, middle, noise, relative_noise, smooth
from sanetune.curves.series import Evaluation

WIDTHS = (3, 7, 15, 31, 63, 127)
"""Widths of the running median, in records."""
WIDER = 3
"""Times as wide are the medians that tell the level beside a hump."""
LOCAL = 8
"""Neighbours on each side, at least, that tell the noise around a hump."""
MANY = 20
"""Medians side by side, from which those further apart tell their noise too."""
FIRST_SURE = 3.0
"""Standard deviations by which a first loss may be lower than it should be."""


@dataclass(frozen=True, slots=True)
class Hump:
    """A rise that came back.

    Attributes:
        place: Number of the record at which it is highest.
        height: Its highest (smoothed) loss, in nats per token.
        before: Lowest loss before it, in the same unit.
        after: Lowest loss after it, in the same unit.
        first: Number of the first record above the middle between its height and its base.
        last: Number of the last one, without a gap between them.
    """

    place: int
    height: float
    before: float
    after: float
    first: int
    last: int

    @property
    def length(self) -> int:
        """How many records are above the middle between its height and its base."""
        return self.last - self.first + 1

    @property
    def middle(self) -> float:
        """The loss in the middle between its height and its base."""
        return (self.height + self.base) / 2

    @property
    def base(self) -> float:
        """Its base: the higher of both sides."""
        return max(self.before, self.after)

    @property
    def times(self) -> float:
        """Its height divided by its base."""
        return self.height / self.base if self.base > 0 else math.inf


def highest_hump(losses: Sequence[float], *, times: float, least: float, sure: float, log_sure: float) -> Hump | None:
    """Return the hump that is highest beside its base.

    Args:
        losses: Of the training steps, all finite. Of losses that are not all above 0 there are no multiples.
        times: How many times its base it has at least.
        least: How much higher it is at least, in nats.
        sure: How many standard deviations of the running median it is higher at least.
        log_sure: How many of its logarithm it is higher at least, which is more where losses scatter by half and more.
    """
    if len(losses) < 2 * WIDTHS[0] or min(losses) <= 0:
        return None
    rest = relative_noise(losses)
    first = losses[0] * (1 + FIRST_SURE * rest)
    found = []
    for width in (one for one in WIDTHS if 2 * one <= len(losses)):
        before, after = _sides(losses, width, first)
        hump = _prominent(smooth(losses, width), before, after)
        if hump.times < times or hump.height - hump.base < least:
            continue  # the noise, which takes most of the time here, decides nothing
        of_median = _of_median(losses, width, hump, rest)
        if hump.times >= 1 + sure * of_median and math.log(hump.times) >= log_sure * of_median:
            found.append(hump)
    return max(found, key=lambda hump: hump.times, default=None)


def _of_median(losses: Sequence[float], width: int, hump: Hump, rest: float) -> float:
    """Standard deviation of the logarithm of a running median: by the noise of single losses, in the whole log and
    around ``hump``, and by that of medians side by side and further apart, since neighbours can be alike."""
    reach = max(LOCAL, 2 * width)
    near = relative_noise(losses[max(0, hump.place - reach) : hump.place + reach + 1])
    # The hump itself is no noise.
    others = [*losses[: max(0, hump.place - hump.length)], *losses[hump.place + hump.length + 1 :]]
    medians = [math.log(middle(others[i : i + width])) for i in range(0, len(others) - width + 1, width)]
    apart = max(noise(medians), noise(medians, WIDER) if len(medians) >= MANY else 0.0)
    return max(apart, max(rest, near) * OF_MEDIAN / math.sqrt(width))


def _sides(losses: Sequence[float], width: int, first: float) -> tuple[list[float], list[float]]:
    """The lowest level before and after each record, by medians that are wider than the hump: the lowest of narrow ones
    is low by chance. ``first``: what the first loss may be at most. Infinite where no median fits but at the start."""
    reach, count = WIDER * width // 2, len(losses)
    wide = smooth(losses, WIDER * width)
    inside = [wide[i] if reach <= i < count - reach else math.inf for i in range(count)]
    lowest = list(accumulate(inside, min))
    following = list(accumulate(reversed(inside), min))[::-1]
    before = [min(first, lowest[i - reach] if i >= reach else math.inf) for i in range(count)]
    after = [following[i + reach] if i + reach < count else math.inf for i in range(count)]
    return before, after


def known_better_through(evaluations: Sequence[Evaluation], start: int, peak: int, end: int) -> bool:
    """Return whether held-out rows are known better all through a rise of the training loss: then the rows in it are
    harder, and the model is none the worse.

    Args:
        evaluations: Of held-out rows.
        start: Step of the rise's first record.
        peak: Step of its highest.
        end: Step of its last.

    >>> from sanetune.curves.series import Evaluation
    >>> evaluated = [Evaluation(step, loss) for step, loss in ((10, 2.0), (20, 1.9), (30, 1.7), (40, 1.8))]
    >>> known_better_through(evaluated, 5, 25, 40), known_better_through(evaluated, 15, 25, 30)
    (True, False)
    """
    losses = [one.loss for one in evaluations if start <= one.step <= end]
    before = any(start <= one.step < peak for one in evaluations)
    return before and len(losses) > 2 and max(losses[1:]) <= losses[0]


def hump_in_few(losses: Sequence[float]) -> Hump | None:
    """Return the hump of a short series without noise, as of evaluations; None for fewer than three losses, and
    where one is not above 0."""
    if len(losses) < 3 or min(losses) <= 0:
        return None
    return _prominent(losses, list(accumulate(losses, min)), list(accumulate(reversed(losses), min))[::-1])


def _prominent(losses: Sequence[float], before: Sequence[float], after: Sequence[float]) -> Hump:
    """The record that is highest above the lowest loss before it and after it."""
    place = max(range(len(losses)), key=lambda i: losses[i] / max(before[i], after[i], 1e-12))
    base = max(before[place], after[place])
    first, last = widened(losses, place, place, (losses[place] + base) / 2)
    return Hump(place, losses[place], before[place], after[place], first, last)


def widened(losses: Sequence[float], first: int, last: int, level: float) -> tuple[int, int]:
    """Return the first and the last of the records from ``first`` to ``last`` and those beside them, without a gap,
    whose losses are above ``level``.

    >>> widened([1.0, 3.0, 5.0, 4.0, 1.0, 6.0], 2, 2, 2.0)
    (1, 3)
    """
    while first > 0 and losses[first - 1] > level:
        first -= 1
    while last < len(losses) - 1 and losses[last + 1] > level:
        last += 1
    return first, last
