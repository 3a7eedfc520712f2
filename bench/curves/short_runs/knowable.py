"""From which step on anyone could know of a fault.

Where a fault changes what is logged at once (no number, a learning rate of zero, evaluations that are equal), that is
the record. Where it changes the course, the run is made again without it, the rows in the same order: it is knowable
from the first record on at which a test that knows both courses, and how far batches scatter, tells them apart in nine
of ten cases at one false alarm in a hundred (Neyman and Pearson), by training losses or by gradient norms; 40 steps
after the onset are compared. Where it is the loss on unseen rows, it is the first of twelve measurements of up to 128
of them from which on the loss is worse.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.curves.short_runs.cases import MIDDLE, Case
from bench.curves.short_runs.oracle import FALSE_ALARMS
from bench.curves.short_runs.row_losses import losses
from bench.curves.short_runs.table import Row, case_of
from bench.curves.short_runs.training import SmallRun, Trainer
from bench.curves.short_runs.truth import TIMES, UNSEEN
from bench.curves.short_runs.truth import read as truths

FILE = Path(__file__).with_name("knowable.json")
BY_COURSE = ("learning rate too high", "bad batches", "frozen", "frozen later", "random labels")
BY_UNSEEN = ("", "few rows", "few rows, no evaluation")
BEYOND = 40
"""Steps after the onset that are compared: twice as many as a fault should be found in."""
POWER = 0.9
LONG_WARMUP = 0.25
"""Of the planned steps, beyond which a warm-up is long (curve-warmup-long)."""
AT_ONSET = ("learning rate zero from some step on", "NaN", "restarts")
"""Faults that the record of their onset shows."""
Series = list[float]


def is_asked(case: Case) -> bool:
    """Whether runs have to be made: of those that unseen rows judge, where the loss on them is worse at the end."""
    if case.fault == "learning rate too high":
        return _truth_says(case, "sound")
    return case.fault in BY_COURSE or (case.fault in BY_UNSEEN and _truth_says(case, "turned"))


def _truth_says(case: Case, what: str) -> bool:
    """Whether experiments found a loss that is higher than another."""
    difference = getattr(truths().get(case.name), what, None)
    return difference is not None and difference.higher


def measured(trainer: Trainer, row: Row) -> dict[str, Any]:
    """The step, None: at none."""
    case = case_of(row)
    return {"step": _by_unseen(trainer, case) if case.fault in BY_UNSEEN else _by_course(trainer, row)}


def _by_course(trainer: Trainer, row: Row) -> int | None:
    """The earliest of what losses, gradient norms and evaluations show, where they are logged."""
    case = case_of(row)
    sound = _without(trainer, case)
    records = range(case.every, len(sound.losses) + 1, case.every)
    found = [_first_known(_means(row["losses"], records), _means(sound.losses, records), records)]
    if case.log_norms:
        norms = [[_log(some[end - 1]) for end in records if end <= len(some)] for some in (row["norms"], sound.norms)]
        found.append(_first_known(norms[0], norms[1], records))
    return min((one for one in found if one is not None), default=None)


class _EnoughError(Exception):
    """A run has gone on for long enough after the onset of its fault."""


def _without(trainer: Trainer, case: Case) -> SmallRun:
    """The same run without its fault, its rows in the same order, up to :data:`BEYOND` steps after the onset."""
    lr = MIDDLE[case.model] if case.fault == "learning rate too high" else case.lr

    def probe(step: int, _: Any) -> None:
        if step >= case.onset + BEYOND:
            raise _EnoughError

    run = trainer.prepared(replace(case, fault="", lr=lr), order=case.name, probe=probe)
    with suppress(_EnoughError):
        run.all_steps()
    return run


def _means(losses: Sequence[float | None], records: range) -> Series:
    """The logarithms of logged losses, each a mean since the record before."""
    some = [math.nan if one is None else one for one in losses]
    return [_log(statistics.fmean(some[end - records.step : end])) for end in records if end <= len(some)]


def _log(value: float | None) -> float:
    return math.log(value) if value and math.isfinite(value) else math.inf


def _first_known(faulty: Series, sound: Series, steps: Sequence[int]) -> int | None:
    """The first step at which the courses are far enough apart, in standard deviations of a record."""
    normal = statistics.NormalDist()
    enough = normal.inv_cdf(1 - FALSE_ALARMS) + normal.inv_cdf(POWER)
    scatter, squares = _scatter(sound), 0.0
    for step, with_, without in zip(steps, faulty, sound, strict=False):
        if not math.isfinite(with_):
            return step
        squares += (with_ - without) ** 2
        if squares >= (enough * scatter) ** 2:
            return step
    return None


def _scatter(course: Series) -> float:
    """Standard deviation of a record about its trend, by all second differences: far ones are part of the noise too."""
    bends = [a - 2 * b + c for a, b, c in zip(course, course[1:], course[2:], strict=False)]
    return math.sqrt(statistics.fmean(one * one for one in bends) / 6) if bends else 0.0


def _by_unseen(trainer: Trainer, case: Case) -> int | None:
    """The first measurement from which on the loss on unseen rows is worse than at its lowest before."""
    unseen, some = trainer.unseen(case, UNSEEN), []
    places = sorted({round(case.steps * i / TIMES) for i in range(TIMES + 1)})

    def probe(step: int, model: Any) -> None:
        if step in places:
            some.append(losses(model, unseen))

    trainer.prepared(case, probe=probe).all_steps()
    worse = [
        one.above(min(some[: i + 1], key=lambda other: other.mean)).higher if i else False for i, one in enumerate(some)
    ]
    lasting = len(list(itertools.takewhile(bool, reversed(worse))))
    return places[len(worse) - lasting] if lasting else None


def by_record(case: Case, row: Row) -> int | None:
    """The step of the record that shows the fault by itself; None: no record does."""
    if case.fault in AT_ONSET:
        return math.ceil(case.onset / case.every) * case.every
    if case.fault == "warm-up throughout":
        return math.ceil(LONG_WARMUP * case.steps)
    evaluated = [int(step) for step, _ in row["evaluated"] if step >= max(0, case.onset - 1)]
    if case.fault in ("frozen", "frozen later"):
        return evaluated[1] if len(evaluated) > 1 else None
    if case.fault == "summed":
        # One evaluation among training losses could be of harder rows.
        inside = [step for step in evaluated if step >= case.every]
        return inside[1] if len(inside) > 1 else None
    return None


def keep(folder: Path, file: Path = FILE) -> int:
    """Write the steps of ``folder`` into the repository, a line for each run; returns their number."""
    found = {one.stem: json.loads(one.read_text())["step"] for one in sorted(folder.glob("*.json"))}
    lines = (f"{json.dumps(name)}: {json.dumps(step)}" for name, step in found.items())
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return len(found)


@cache
def read(file: Path = FILE) -> dict[str, int | None]:
    """Name of a run -> the step from which on its fault is knowable."""
    found: dict[str, int | None] = json.loads(file.read_text())
    return found
