"""How many of the injected faults the noise lets anyone name: the power of a test that knows everything.

For each faulty record a healthy twin of the same size is made that is nearest to it, and the test has only to say which
of the two it sees. It knows both courses to the last digit and the density of the noise of that log. By Neyman and
Pearson's lemma the likelihood ratio finds most of them at a given share of false alarms; this is as large as the whole
bench allows all checks together. Residuals are taken as independent, as batches are.

``python -m bench.curves.bound`` prints, for each log that gives its noise, what such a test finds of a hundred, and
what the checks name.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np

from bench.curves.injected import SHORT_STAIRS, Donors, stairs_base, stalled_base
from bench.curves.injected_settings import start_high_base
from bench.curves.judging import FAULTY, chance_of, names
from bench.curves.real_noise import HALVES, Array, Base, Chance, Donor, donors
from bench.figures import options, shared, show
from sanetune.curves.series import Curve

Row = dict[str, Any]

FALSE_ALARMS = 0.02
"""Of healthy twins: all that the goal of the bench leaves to all checks together."""
HEALTHY_FALL = 0.11
"""Of what was learned before, that the halves of the last three quarters differ by in the healthy log of half A that
learns least in them (curve-stalled)."""
GUESSING = math.log(8_000)
"""Loss of guessing, where the vocabulary is not known (curve-start-high)."""
GRID = np.linspace(-8, 8, 6401)
"""Residuals at which densities are kept, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A faulty course and its twin.

    Attributes:
        record: The faulty record, with its noise.
        curve: Its log.
        twin: The healthy level, in nats.
    """

    record: Base
    curve: Curve
    twin: Array


def stalled(chance: Chance, some: Donors) -> Pair:
    """Flat, beside a tail that falls as that of a healthy log."""
    one = stalled_base(chance, some)
    at, tail = np.arange(one.count) / one.count, one.count // 4
    middle = one.level[tail:].mean()
    fall = HEALTHY_FALL * (1 - middle / one.level[0])
    # The halves of a straight fall differ by half of it.
    return Pair(one, one.curve(), np.where(at < 0.25, one.level, one.level * (1 - 2 * fall * (at - 0.625) / 0.75)))


def short_stairs(chance: Chance, some: Donors) -> Pair:
    """Stairs, beside the steady fall with the same mean in each epoch."""
    one, each = stairs_base(chance, some, *SHORT_STAIRS)
    drop = math.log(one.level[0] / one.level[-1]) / max(1, one.count // each - 1)
    steady = math.log(one.level[0]) - drop * ((np.arange(one.count) + 0.5) / each - 0.5)
    return Pair(one, one.curve(epochs=one.count / each), np.exp(steady))


def start_high(chance: Chance, some: Donors) -> Pair:
    """The same course from what guessing costs."""
    one = start_high_base(chance, some)
    return Pair(one, one.curve(), one.level * GUESSING / one.level[0])


KINDS: list[tuple[str, str, Callable[[Chance, Donors], Pair]]] = [
    ("curve-stalled", "flat after its first fifth", stalled),
    ("curve-staircase", "4 to 12 epochs of 2 to 7 records, drops of 15 to 30 %", short_stairs),
    ("curve-start-high", "begins at 11.5 to 20 nats", start_high),
]


@cache
def log_density(donor: Donor) -> Array:
    """Logarithm of the density of a log's residuals on :data:`GRID`: that of normal kernels (Silverman's width),
    shrunk to the standard deviation of the residuals."""
    values = (donor.residuals - donor.residuals.mean()) / donor.noise
    width = 1.06 * len(values) ** -0.2
    apart = (GRID[:, None] - values / math.sqrt(1 + width**2)) / (width / math.sqrt(1 + width**2))
    density = np.exp(-0.5 * apart**2).mean(1) + 1e-12
    return np.log(density / (density.sum() * (GRID[1] - GRID[0])))


def power(pair: Pair) -> float:
    """The share of such records that the likelihood ratio tells from their twins, at :data:`FALSE_ALARMS`."""
    scale = pair.record.times * pair.record.donor.noise
    shifts = np.log(pair.record.level / pair.twin) / scale
    logs = log_density(pair.record.donor)
    weights = np.exp(logs) / np.exp(logs).sum()
    healthy = np.zeros(2)
    faulty = np.zeros(2)
    # Shifts of many records are alike, and each size is integrated once.
    for shift, count in zip(*np.unique(np.round(shifts, 2), return_counts=True), strict=True):
        healthy += count * _moments(np.interp(GRID - shift, GRID, logs) - logs, weights)
        faulty += count * _moments(logs - np.interp(GRID + shift, GRID, logs), weights)
    normal = NormalDist()
    limit = healthy[0] + normal.inv_cdf(1 - FALSE_ALARMS) * math.sqrt(healthy[1])
    return 1 - normal.cdf((limit - faulty[0]) / math.sqrt(faulty[1]))


def _moments(values: Array, weights: Array) -> Array:
    mean = float(values @ weights)
    return np.array([mean, float((values - mean) ** 2 @ weights)])


def of_half(which: str, count: int) -> Iterator[Row]:
    """A row for each kind and each log of a half: what can be found of a hundred, and what is named."""
    for check, kind, make in KINDS:
        for donor in donors(shared(), which):
            pairs = [make(chance_of(kind, FAULTY + seed), (donor,)) for seed in range(count)]
            found = 100 * sum(check in names(one.curve) for one in pairs) / count
            best = 100 * sum(map(power, pairs)) / count
            yield {
                "half": which, "log": donor.name, "noise": donor.noise, "check": check, "kind": kind, "curves": count,
                "bound": best, "named": found,
            }  # fmt: skip


def main() -> int:
    args = options(__doc__)
    rows = [row for which in HALVES for row in of_half(which, 20 if args.quick else 100)]
    words = [
        [one["check"], one["half"], one["log"][:40], f"{100 * one['noise']:.1f} %", round(one["bound"]), one["named"]]
        for one in rows
    ]
    show("Best possible test", ["check", "half", "log", "noise", "bound", "named"], words, {"bound": rows}, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
