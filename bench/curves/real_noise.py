"""Healthy real logs split into trend and residuals, and put together again at another level and length.

A fault that is injected into such a record has the noise of a real run: its tails, its neighbours that are alike, its
epochs. Repositories are divided by a hash of their name: limits were set with half A in view, figures are of half B.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sanetune.curves.logs.trainer_state import read
from sanetune.curves.series import Curve, Evaluation, Point

HALVES = ("A", "B")
GALLERY = "Mormolykos/trainproof"
"""The repository of logs/qlora-gallery."""
FEWEST = 24
"""Records of a log whose residuals are used."""
EVALUATION_NOISE = 0.004
"""Standard deviation of an evaluation about its trend, as a share; 0.001 to 0.004 in the two logs that have some."""

LOUDER, LOUDEST = (0.8, 2.0), 0.12
"""What residuals are multiplied by, since batches of a quarter of the rows scatter twice as far; and the deviation
beyond which a donor's are not multiplied by more than 1."""

Chance = Any
"""A numpy random generator."""
Array = Any
"""A numpy array of floats."""


def half(repository: str) -> str:
    """Which half of the repositories one belongs to.

    >>> half("huloujun/GreenBuilding-QA-LLM"), half("ljh696/MetaMath")
    ('A', 'B')
    """
    return HALVES[hashlib.sha256(repository.encode()).digest()[0] % 2]


@dataclass(frozen=True, slots=True, eq=False)
class Donor:
    """A healthy log: its trend in nats, and residuals as shares of it."""

    name: str
    trend: Array
    residuals: Array
    lrs: Array
    norms: Array
    every: int

    @property
    def noise(self) -> float:
        """Standard deviation of a record about the trend, as a share."""
        return float(self.residuals.std())


@dataclass(frozen=True, slots=True)
class Base:
    """A healthy course at a level and length of its own, into which a fault can be injected.

    Attributes:
        level: True loss at each record, in nats.
        residuals: Shares that the logged losses differ from it by, as logarithms.
        lrs: Learning rates of the records, 1 at the highest.
        norms: Gradient norms.
        every: Steps between two records.
        donor: The log that residuals are from.
        times: What they were multiplied by.
    """

    level: Array
    residuals: Array
    lrs: Array
    norms: Array
    every: int
    donor: Donor
    times: float

    @property
    def count(self) -> int:
        return len(self.level)

    def curve(self, *, epochs: float = 1.0, evaluations: dict[int, float] | None = None) -> Curve:
        """The log of the whole run; ``evaluations``: losses by the number of the record after which they are made."""
        losses, total = self.level * np.exp(self.residuals), self.count * self.every
        points = [
            Point(
                (i + 1) * self.every,
                float(losses[i]),
                float(2e-4 * self.lrs[i]),
                float(self.norms[i]),
                epochs * (i + 1) / self.count,
            )
            for i in range(self.count)
        ]
        made = [Evaluation((i + 1) * self.every, float(loss)) for i, loss in sorted((evaluations or {}).items())]
        return Curve(
            points,
            made,
            total_steps=total,
            steps_per_epoch=total / epochs,
            planned_lr=2e-4,
            finished=True,
            source="log",
        )


@cache
def donors(folder: Path, which: str) -> tuple[Donor, ...]:
    """The healthy logs of one half of the repositories that have enough records."""
    with (folder / "logs/wild/INDEX.csv").open() as file:
        found = [(row["id"], row["repo"]) for row in csv.DictReader(file) if row["label"].startswith("healthy")]
    found = [*((f"wild/{name}", repository) for name, repository in found), ("qlora-gallery/healthy", GALLERY)]
    curves = [
        (name, read(folder / "logs" / name / "trainer_state.json").curve())
        for name, repository in found
        if half(repository) == which
    ]
    return tuple(_split(name, curve) for name, curve in curves if len(curve.points) >= FEWEST)


def _split(name: str, curve: Curve) -> Donor:
    logs = np.array([np.log(point.loss) for point in curve.points])
    # Medians first, since a spike is no trend; their mean, so that residuals are not mostly zero.
    trend = _smoothed(_smoothed(logs, max(2, len(logs) // 20), np.median), 2, np.mean)
    highest = max(point.lr or 0.0 for point in curve.points) or 1.0
    lrs = np.array([(point.lr or 0.0) / highest for point in curve.points])
    norms = np.array([point.grad_norm or 1.0 for point in curve.points])
    every = curve.points[-1].step - curve.points[-2].step
    # The fall of the first records is no noise, though a trend that follows it exactly cannot be told from it.
    return Donor(name, np.exp(trend), (logs - trend)[len(logs) // 8 :], lrs, norms, every)


def _smoothed(values: Array, reach: int, mean: Callable[[Array], float]) -> Array:
    """Running means (or medians) of as many neighbours on both sides, so that a steep start is followed."""
    last = len(values) - 1
    around = [min(i, last - i, reach) for i in range(last + 1)]
    return np.array([mean(values[i - one : i + one + 1]) for i, one in enumerate(around)])


def base(chance: Chance, some: tuple[Donor, ...], *, least: int = 24, most: int = 600) -> Base:
    """A record made of a donor: of another length, its trend scaled and shifted, its residuals moved round."""
    donor = some[int(chance.integers(len(some)))]
    count = int(np.exp(chance.uniform(np.log(least), np.log(most + 1))))
    at = np.linspace(0, len(donor.trend) - 1, count)
    trend, lrs, norms = (np.interp(at, np.arange(len(one)), one) for one in (donor.trend, donor.lrs, donor.norms))
    # No healthy log begins near what guessing costs.
    scale, shift = min(chance.uniform(0.5, 1.6), 6 / donor.trend[0]), chance.uniform(0, 0.8)
    begin = int(chance.integers(len(donor.residuals)))
    residuals = np.roll(np.resize(donor.residuals, max(count, len(donor.residuals))), begin)[:count]
    # No loss of a model that learns comes again to the last digit, as where a log is longer than its donor.
    residuals = residuals + 1e-7 * np.arange(count)
    most = min(LOUDER[1], max(1.0, LOUDEST / donor.noise))
    times = chance.uniform(LOUDER[0], most)
    return Base(trend * scale + shift, times * residuals, lrs, norms, donor.every, donor, times)


def changed(one: Base, level: Array) -> Base:
    """The same record with another true loss."""
    return replace(one, level=level)


def evaluated(chance: Chance, one: Base, count: int, first: float = 0.0, gap: float = 1.04) -> dict[int, float]:
    """Evaluations at even distances from the share ``first`` of the run on, a little above the training loss."""
    places = np.unique(np.linspace(first * (one.count - 1), one.count - 1, count).round().astype(int))
    smoothed = np.minimum.accumulate(one.level)
    return {int(i): float(gap * smoothed[i] * (1 + EVALUATION_NOISE * chance.standard_normal())) for i in places}
