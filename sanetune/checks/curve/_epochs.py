"""What the training loss does at the boundaries of epochs, and what it does between them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sanetune.curves.changes import points_of
from sanetune.curves.paired import t_statistic
from sanetune.curves.robust import SPREAD, clipped_level, middle
from sanetune.curves.series import Curve, Point

FEWEST = 2
"""Records needed in an epoch: its first and its last."""
REST = 5
"""Records of a last epoch that tell whether the loss drops before it, however long the others are."""
FEWEST_EPOCHS = 3
"""Epochs that are judged together."""
NARROW, WIDEST = 8, 50
"""Records on each side of a boundary that are compared: a quarter of an epoch, at most so many; of a short epoch half,
at most so few."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """What the training loss does between two epochs. Levels are clipped means of the logarithms of losses in nats.

    Attributes:
        epoch: Number of the earlier epoch, from 1.
        before: Level at the end of the earlier epoch.
        after: Level at the start of the later epoch.
        last: Level at the end of the later epoch.
        earlier: Level of as many records before those of ``before``.
        width: Records that each level is from.
        records: Records of the later epoch.
    """

    epoch: int
    before: float
    after: float
    last: float
    earlier: float
    width: int
    records: int

    @property
    def drop(self) -> float:
        """How much lower the later epoch begins, as a logarithm: 0.1 is about a tenth."""
        return self.before - self.after

    @property
    def inside(self) -> float:
        """How much the loss falls within the later epoch, likewise."""
        return self.after - self.last

    @property
    def falling(self) -> float:
        """How much the loss falls over as many records at the end of the earlier epoch, likewise."""
        return self.earlier - self.before

    @property
    def steady(self) -> float:
        """How far apart the levels of the boundary are, as a share of those within the later epoch: of a steady fall
        the drop is so much of the fall within."""
        return self.width / (self.records - self.width)


@dataclass(frozen=True, slots=True)
class Pooled:
    """How far the loss falls from one epoch to the next, and how far by the slope within epochs, as logarithms.

    Of a steady fall the two are the same; of stairs the second is 0. All records count, which short epochs need.

    Attributes:
        between: From the mean of an epoch to that of the next.
        within: Over as many records, by the one slope that fits all epochs best.
        between_error: Standard error of ``between``.
        within_error: Standard error of ``within``.
    """

    between: float
    within: float
    between_error: float
    within_error: float

    @property
    def beyond(self) -> float:
        """Standard errors by which the fall between epochs is more than that of the slope within them."""
        return t_statistic(self.between - self.within, math.hypot(self.between_error, self.within_error))

    @property
    def drop(self) -> float:
        """How far the loss drops from one epoch to the next: more than between their means where it rises within."""
        return self.between - min(0.0, self.within)

    @property
    def inside(self) -> float:
        """The fall within epochs as a share of what they drop by; infinite where nothing drops."""
        drop = self.between - self.within
        return self.within / drop if drop > 0 else math.inf

    @property
    def inside_error(self) -> float:
        """Standard error of :attr:`inside`, of a drop that is known."""
        drop = self.between - self.within
        return self.within_error / drop if drop > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Halves:
    """How far the loss drops between the halves of an epoch, and between epochs, from the second epoch on, where what
    is new to a model no longer hides what it has memorised. Logarithms, means over boundaries.

    Of a fall that slows down evenly, by whatever law, the step between the last half of an epoch and the first of the
    next is not above the mean of the steps on both sides of it, over as many records; of stairs those are 0.

    Attributes:
        boundaries: How many.
        down: At how many the loss drops.
        drop: From the last half of an epoch to the first half of the next.
        within: Mean of the drops between the halves of both epochs, over as many records.
        std_error: Standard error of ``drop - within``.
    """

    boundaries: int
    down: int
    drop: float
    within: float
    std_error: float

    @property
    def beyond(self) -> float:
        """Standard errors by which the loss drops further between epochs than within them."""
        return t_statistic(self.drop - self.within, self.std_error)

    @property
    def inside(self) -> float:
        """``within`` as a share of ``drop``; infinite where nothing drops."""
        return self.within / self.drop if self.drop > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Stairs:
    """All boundaries between epochs of a curve.

    Attributes:
        boundaries: Between neighbouring epochs with enough records.
        records: Records of the shorter epoch at each boundary: their median.
        noise: Standard deviation of one record about its trend, as a share.
        pooled: What all epochs together say; None: fewer than three of them, or no two records in one.
        halves: What the halves of epochs say, from the second on; None: no boundary between two of those.
    """

    boundaries: Sequence[Boundary]
    records: int
    noise: float
    pooled: Pooled | None = None
    halves: Halves | None = None

    @property
    def drop(self) -> float:
        """Mean drop at a boundary, as a logarithm."""
        return sum(one.drop for one in self.boundaries) / len(self.boundaries)

    @property
    def std_error(self) -> float:
        """Standard error of the mean drop, from the noise of single records."""
        each = [2 / one.width for one in self.boundaries]
        return self.noise * math.sqrt(sum(each)) / len(self.boundaries)

    @property
    def beyond(self) -> float:
        """Standard errors by which the drops are more than those of a steady fall."""
        excess = sum(one.drop - one.steady * one.inside for one in self.boundaries)
        # The level after a boundary is in both; the weights are those of the levels before, after and at the end.
        each = [(1 + (1 + one.steady) ** 2 + one.steady**2) / one.width for one in self.boundaries]
        return t_statistic(excess, self.noise * math.sqrt(sum(each)))

    @property
    def inside(self) -> float:
        """How much the loss falls within epochs after the first, as a share of all drops; below 0 where it rises,
        infinite where nothing drops."""
        drops = sum(one.drop for one in self.boundaries)
        return sum(one.inside for one in self.boundaries) / drops if drops > 0 else math.inf


def stairs(curve: Curve, lr_times: float = 1.5) -> Stairs | None:
    """Return the boundaries of a curve's epochs; None where there is none with two records on both sides.

    Args:
        curve: The curve.
        lr_times: Times that the learning rate may change by at a boundary: with more the drop may be its doing.
    """
    epochs, lrs = _by_epoch(curve), _lrs(curve)
    jumps = {number for number in epochs if not _same_lr(lrs, number, lr_times)}
    scatter = _noise(list(epochs.values()))
    found, records = [], []
    for epoch, losses in sorted(epochs.items()):
        later = epochs.get(epoch + 1, [])
        shorter = min(len(losses), len(later))
        if shorter < FEWEST or epoch in jumps:
            continue
        width = max(1, min(max(shorter // 4, min(shorter // 2, NARROW)), WIDEST))
        sides = (losses[-width:], later[:width], later[-width:], losses[-2 * width : -width])
        before, after, last, earlier = (clipped_level(some, scatter).value for some in sides)
        found.append(Boundary(epoch + 1, before, after, last, earlier, width, len(later)))
        records.append(shorter)
    if not found:
        return None
    return Stairs(found, sorted(records)[len(records) // 2], scatter, _pooled(epochs, scatter), _halves(epochs, jumps))


def _halves(epochs: Mapping[int, Sequence[float]], jumps: Container[int]) -> Halves | None:
    """The drops between halves of epochs, from the second epoch on, but after those in ``jumps``."""
    whole = {number: losses for number, losses in epochs.items() if len(losses) >= FEWEST and number > min(epochs)}
    halves = {one: (whole[one][: len(whole[one]) // 2], whole[one][-(len(whole[one]) // 2) :]) for one in whole}
    levels = {one: tuple(statistics.fmean(half) for half in some) for one, some in halves.items()}
    drops, within = [], []
    weights: dict[tuple[int, int], float] = {}
    for number in sorted(whole):
        if number + 1 not in whole or number in jumps:
            continue
        drops.append(levels[number][1] - levels[number + 1][0])
        far = (len(halves[number][0]) + len(halves[number + 1][0])) / 2
        falls = []
        for one, side in ((number, 1), (number + 1, 0)):
            # Middles of the halves of an epoch are so many records from each other, those at the boundary `far`.
            part = far / (len(whole[one]) - len(halves[one][0])) / 2
            falls.append(part * (levels[one][0] - levels[one][1]))
            for half, sign in ((0, -1), (1, 1)):
                at_boundary = (1 if one == number else -1) if half == side else 0
                weights[one, half] = weights.get((one, half), 0.0) + at_boundary + sign * part
        within.append(sum(falls))
    if not drops:
        return None
    variance = sum(weight**2 / len(halves[one][half]) for (one, half), weight in weights.items())
    error = _scatter_of(list(whole.values())) * math.sqrt(variance) / len(drops)
    down = sum(one > 0 for one in drops)
    return Halves(len(drops), down, statistics.fmean(drops), statistics.fmean(within), error)


def _same_lr(lrs: Mapping[int, tuple[float, float]], number: int, times: float) -> bool:
    """Whether the learning rate goes on after an epoch as before."""
    before, after = lrs.get(number, (0.0, 0.0))[1], lrs.get(number + 1, (0.0, 0.0))[0]
    return not (before > 0 and after > 0) or 1 / times <= after / before <= times


def _scatter_of(epochs: Sequence[Sequence[float]]) -> float:
    """The standard deviation of one record about its neighbours, of all records: a mean has the outliers in it."""
    squares = [(b - a) ** 2 for losses in epochs for a, b in pairwise(losses)]
    return math.sqrt(statistics.fmean(squares) / 2) if squares else 0.0


def _pooled(epochs: Mapping[int, Sequence[float]], scatter: float) -> Pooled | None:
    """The falls between and within epochs, by least squares."""
    numbers = sorted(epochs)
    apart = [_from_middle(epochs[one]) for one in numbers]
    squares = sum(place**2 for one in apart for place, _ in one)
    if len(numbers) < FEWEST_EPOCHS or not squares:
        return None
    slope = sum(place * loss for one in apart for place, loss in one) / squares
    records, count = statistics.fmean(len(epochs[one]) for one in numbers), numbers[-1] - numbers[0]
    first, last = (epochs[one] for one in (numbers[0], numbers[-1]))
    return Pooled(
        (statistics.fmean(first) - statistics.fmean(last)) / count,
        -slope * records,
        scatter * math.sqrt(1 / len(first) + 1 / len(last)) / count,
        scatter * records / math.sqrt(squares),
    )


def _from_middle(losses: Sequence[float]) -> list[tuple[float, float]]:
    """(place, loss) of each record, places from the middle of the epoch."""
    return [(place - (len(losses) - 1) / 2, loss) for place, loss in enumerate(losses)]


def _lrs(curve: Curve) -> dict[int, tuple[float, float]]:
    """First and last learning rate that was logged of each epoch, from 0."""
    found: dict[int, tuple[float, float]] = {}
    for point in curve.points:
        if point.lr and (done := _done(point, curve)):
            epoch = math.ceil(round(done, 6)) - 1
            found[epoch] = (found.get(epoch, (point.lr, 0.0))[0], point.lr)
    return found


def _done(point: Point, curve: Curve) -> float:
    """Epochs done after a step; 0 where that is not known."""
    done = point.epoch
    if done is None and curve.steps_per_epoch:
        done = point.step / curve.steps_per_epoch
    return done if done is not None and math.isfinite(done) and done > 0 else 0.0


def _noise(epochs: Sequence[Sequence[float]]) -> float:
    """The standard deviation of one record, from neighbours of one epoch: the steps between epochs are none of it."""
    within = [abs(b - a) for losses in epochs for a, b in pairwise(losses)]
    return SPREAD * middle(within) / math.sqrt(2) if within else 0.0


def _by_epoch(curve: Curve) -> dict[int, list[float]]:
    """Epoch, from 0 -> logarithms of its losses. A last epoch that is less than half as long as the others and of less
    than :data:`REST` records is left out: it is the rest of one."""
    known = [(point.loss, done) for point in points_of(curve) if (done := _done(point, curve)) and point.loss > 0]
    gaps = [b - a for (_, a), (_, b) in pairwise(known) if b > a]
    gap = middle(gaps) if gaps and not curve.sampled else 0.0
    epochs: dict[int, list[float]] = {}
    for loss, done in known:
        # A record is the mean of the steps since the one before: it belongs to the epoch that most of them are of.
        epochs.setdefault(math.ceil(round(max(done - gap / 2, 1e-6), 6)) - 1, []).append(math.log(loss))
    for before, last in list(pairwise(sorted(epochs)))[-1:]:
        if 2 * len(epochs[last]) < len(epochs[before]) and len(epochs[last]) < REST:
            del epochs[last]
    return epochs
