"""How much of a fault the training losses of a run could show at most: the power of a test that knows everything.

The test knows the course of the run with its fault and without it, and how far batches scatter; it has only to say
which of the two it sees. By Neyman and Pearson's lemma no test does better. With normal noise of the logarithms its
power at one false alarm in a hundred is Phi(d - 2.326), d the distance of the two courses in standard deviations.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.curves.short_runs.cases import Case
from bench.curves.short_runs.training import Trainer

FILE = Path(__file__).with_name("oracle.json")
FAULTS = {("frozen", 0), ("frozen later", 0)}
"""Faults that change the course of the loss by less than batches scatter. Of runs with evaluations these show them."""
ORDERS = 2
"""Orders of the rows in which each run is made with its fault and without it."""
FALSE_ALARMS = 0.01
WIDTH = 10
"""Records over which the shift of a lasting fault is averaged, so that its own noise is small."""
SOON = 20
"""Steps after the onset, for the power of a test while the run goes on."""


def is_asked(case: Case) -> bool:
    """Whether the training losses of a run are all that could show its fault."""
    return (case.fault, case.strength) in FAULTS and not case.evaluations


def measured(trainer: Trainer, case: Case) -> dict[str, Any]:
    """How far batches scatter, and what the fault adds to each record, in each order of the rows."""
    orders = [f"{case.name} order {number}" for number in range(ORDERS)]
    faulty, sound = ([_records(trainer, one, order) for order in orders] for one in (case, _sound(case)))
    # The same rows in the same order, so that what differs is the fault and not the batches.
    shifts = [
        [_digits(a - b) for a, b in zip(one, other, strict=False)] for one, other in zip(faulty, sound, strict=True)
    ]
    return {"onset": case.onset, "every": case.every, "scatter": _digits(_scatter(sound)), "shifts": shifts}


def distances(plain: dict[str, Any], width: int) -> dict[str, float]:
    """The distance of the courses in standard deviations, in the whole log and within 20 steps of the onset.

    Args:
        plain: What :func:`measured` returns.
        width: Records over which the shift is taken as the same.
    """
    begin = max(0, (plain["onset"] - 1) // plain["every"])
    soon = begin + max(1, SOON // plain["every"])
    shifts, scatter = plain["shifts"], plain["scatter"]
    return {
        "d": _distance(shifts, scatter, width),
        "d_soon": _distance([one[begin:soon] for one in shifts], scatter, width),
    }


def _records(trainer: Trainer, case: Case, order: str) -> list[float]:
    """Logarithms of the losses that the run logs, its rows in an order of that name."""
    run = trainer.prepared(case, order=order)
    run.all_steps()
    losses = [math.nan if one is None else one for one in run.losses]
    ends = range(case.every, len(losses) + 1, case.every)
    return [math.log(statistics.fmean(losses[end - case.every : end])) for end in ends]


def _sound(case: Case) -> Case:
    """The same run without its fault."""
    return replace(case, fault="")


def _scatter(courses: list[list[float]]) -> float:
    """Standard deviation of a record about the mean course."""
    variances = [statistics.variance(at) for at in zip(*courses, strict=True)]
    return math.sqrt(statistics.fmean(variances))


def _distance(shifts: list[list[float]], scatter: float, width: int) -> float:
    """The root of the sum of squared shifts in standard deviations; each square is a product of two orders, so that
    the noise of a shift does not add to it."""
    starts = range(0, max(map(len, shifts)), width)
    blocks = [[one[i : i + width] for i in starts] for one in shifts]
    products = [
        sum(len(a) * statistics.fmean(a) * statistics.fmean(b) for a, b in zip(one, other, strict=True) if a and b)
        for one, other in itertools.combinations(blocks, 2)
    ]
    return _digits(math.sqrt(max(0.0, statistics.fmean(products))) / scatter)


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def power(distance: float) -> float:
    """The share of faulty runs that the test finds, at :data:`FALSE_ALARMS`.

    >>> round(power(0.0), 2), round(power(2.326), 2), round(power(5), 2)
    (0.01, 0.5, 1.0)
    """
    normal = statistics.NormalDist()
    return normal.cdf(distance - normal.inv_cdf(1 - FALSE_ALARMS))


def keep(folder: Path, file: Path = FILE) -> int:
    """Write the distances of ``folder`` into the repository; returns their number."""
    made = {one.stem: json.loads(one.read_text()) for one in sorted(folder.glob("*.json"))}
    found = {name: distances(one, WIDTH) for name, one in made.items()}
    file.write_text(
        "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in found.items()) + "\n}\n"
    )
    return len(found)


def read(file: Path = FILE) -> dict[str, dict[str, Any]]:
    """Name of a run -> the distances."""
    found: dict[str, dict[str, Any]] = json.loads(file.read_text())
    return found
