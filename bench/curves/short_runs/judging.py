"""What the checks say about a short run: its whole log, and the same log while it grew."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from bench.curves.short_runs.cases import PARTS, STRENGTHS, Case
from bench.curves.short_runs.knowable import by_record
from bench.curves.short_runs.knowable import read as read_knowable
from bench.curves.short_runs.oracle import power
from bench.curves.short_runs.oracle import read as read_oracle
from bench.curves.short_runs.row_losses import SURE
from bench.curves.short_runs.table import Row, case_of, curve_of
from bench.curves.short_runs.truth import FAULTS, Truth
from bench.curves.short_runs.truth import read as read_truth
from sanetune.curves.series import Curve
from sanetune.evidence.registry import Evidence
from sanetune.finding import BAD, Verdict
from sanetune.gate.catalogue import catalogue
from sanetune.gate.runner import run
from sanetune.gate.watch import EVERY, Watch, live_checks

WORSE, UNSEEN = "worse on unseen rows", "the same, with no evaluation at its best"
"""What a run has that was to be healthy, or was given few rows, where experiments say so (truth.py); whether its log
has an evaluation that is older than the rise."""
UNDECIDED = "undecided"
"""A run whose end may be worse, on too few unseen rows to know: neither healthy nor faulty."""
BY_DESIGN = "restarts"
"""Equal cosine cycles of the learning rate, as transformers' ``cosine_with_restarts`` plans them: no fault."""
KNOWN_EARLY = 0.02
"""Rise of the loss on unseen rows from which a finding of one is true: a healthy run ends within it (logs/wild)."""
FLAT = 0.02
"""Fall of that loss from start to end, below which a run is flat (logs/wild)."""
EACH = 4
"""Passes over the rows for one evaluation, beyond which hardly anything is measured."""
HOT = ("diverged", "spike", "oscillating", "norm-growth", "overfit", "best-earlier")
NAMES: dict[str, tuple[str, ...]] = {
    "learning rate too high": HOT,
    "learning rate zero from some step on": ("rate-zero",),
    "bad batches": ("spike",),
    "NaN": ("nan",),
    "frozen": ("plateau", "unchanged"),
    "frozen later": ("stalled", "plateau", "unchanged"),
    WORSE: ("overfit", "best-earlier", "diverged"),
    UNSEEN: ("overfit", "best-earlier", "diverged"),
    "few rows, no evaluation": ("staircase", "unmeasured"),
    "random labels": ("start-high",),
    "summed": ("loss-summed", "start-high"),
    "warm-up throughout": ("warmup-long",),
}
"""The checks that say what a fault is."""
SET_ON, REPORTED = "A", "B to G"
"""The part that limits are set on, and those that are reported."""
WITHIN = 20
"""Steps after the onset within which a fault should be found."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A run and what was found.

    Attributes:
        case: Its settings.
        fault: What it has; "": nothing.
        true: Findings that are true of it though it is healthy.
        whole: Findings of the whole log, with their verdicts.
        live: Findings while it grew, with the first step at which each was there.
        stopped: The checks that failed while it grew.
        micros: CPU seconds of watching, times a million, for each step.
        knowable: Step from which on anyone could know of the fault (knowable.py); None: not found out, or at none.
    """

    case: Case
    fault: str
    true: frozenset[str]
    whole: dict[str, str]
    live: dict[str, int]
    stopped: frozenset[str]
    micros: float
    knowable: int | None = None

    @property
    def found(self) -> set[str]:
        """All that was found, at whatever time."""
        return {*self.whole, *self.live}

    @property
    def false(self) -> set[str]:
        """What was found of a healthy run, at whatever time, and is not true of it."""
        return self.found - self.true

    @property
    def named(self) -> bool:
        """Whether the fault's own name is among them."""
        return bool(self.found.intersection(NAMES[self.fault]))

    @property
    def named_at(self) -> float:
        """Step of the first finding that names the fault; infinite where none came live."""
        steps = [step for name, step in self.live.items() if name in NAMES[self.fault] and step >= self.case.onset]
        return min(steps, default=math.inf)

    @property
    def delay(self) -> float:
        """Steps from the onset of the fault to that finding."""
        return self.named_at - self.case.onset

    @property
    def late(self) -> float | None:
        """Steps to it from when anyone could know; below 0 where a limit is older than that proof. None: not known."""
        return None if self.knowable is None else self.named_at - self.knowable


def judged(row: Row, truth: Truth | None) -> Judged:
    """Judge a run of the table, of which experiments have found out ``truth``."""
    case, curve = case_of(row), curve_of(row)
    began = time.process_time()
    live, stopped = _live(curve)
    micros = 1e6 * (time.process_time() - began) / max(1, len(curve.points))
    unknown = UNDECIDED if case.fault in FAULTS else case.fault
    fault = unknown if truth is None else _fault(case, curve, truth)
    true = frozenset() if truth is None or fault else _true(curve, truth)
    knowable = by_record(case, row) if by_record(case, row) is not None else read_knowable().get(case.name)
    return Judged(case, fault, true, _whole(curve), live, stopped, micros, knowable if fault else None)


def _fault(case: Case, curve: Curve, truth: Truth) -> str:
    if case.fault == "learning rate too high":
        if truth.sound is None or truth.sound.higher:
            return case.fault if truth.sound else ""
        return UNDECIDED if truth.sound.undecided or truth.turned.undecided else ""
    if case.fault not in ("", "few rows"):
        return case.fault
    if not truth.turned.higher:
        return UNDECIDED if truth.turned.undecided else ""
    # Of a loss that was never below its start, only an evaluation before the first step tells.
    from_start = truth.turned.share == truth.from_start.share
    first = min((one.step for one in curve.validation), default=curve.points[-1].step)
    return WORSE if len(curve.validation) > 1 and (first == 0 or not from_start) else UNSEEN


def _true(curve: Curve, truth: Truth) -> frozenset[str]:
    """Which findings experiments confirm. What is not measured is a fact of the log."""
    rise = truth.turned.share >= KNOWN_EARLY and truth.turned.sure >= SURE
    facts = {
        "start-high": truth.starts_high,
        "staircase": truth.memorises,
        "unfinished": truth.longer is not None and truth.longer.lower,
        "spike": truth.hump.higher,
        "unmeasured": EACH * len(curve.validation) < (curve.points[-1].epoch or 0.0) or not curve.validation,
        "overfit": rise,
        "best-earlier": rise,
        "plateau": truth.from_start.share > -FLAT,
    }
    return frozenset(name for name, holds in facts.items() if holds)


def _whole(curve: Curve) -> dict[str, str]:
    checks = [check for check in catalogue().values() if check.needs == ("curve",)]
    found = run(checks, Evidence({}, {"curve": curve}))
    assert not any(one.verdict is Verdict.CRASH for one in found)
    return {one.check.removeprefix("curve-"): one.verdict.value for one in found if one.verdict in BAD}


def _live(curve: Curve) -> tuple[dict[str, int], frozenset[str]]:
    """Hand the run's records to the watch as they come, those of a few steps together, with evaluations between them.

    Returns:
        Check -> step of its first finding, and the checks that failed.
    """
    facts = replace(curve, points=[], validation=[], finished=False)
    watch, waiting = Watch(facts, live_checks()), list(curve.validation)
    first: dict[str, int] = {}
    failed = set()
    for _, group in groupby(curve.points, key=lambda one: (one.step - 1) // EVERY):
        some = list(group)
        found = watch.steps(some)
        while waiting and waiting[0].step <= some[-1].step:
            found += watch.evaluated(waiting.pop(0))
        for one in found:
            name = one.finding.check.removeprefix("curve-")
            first.setdefault(name, one.step)
            if one.finding.verdict is Verdict.FAIL:
                failed.add(name)
    return first, frozenset(failed)


def figures(rows: Iterable[Row]) -> dict[str, Any]:
    """The figures of each part."""
    truths = read_truth()
    all_ = [judged(row, truths.get(case_of(row).name)) for row in rows]
    every = [one for one in all_ if one.fault not in (BY_DESIGN, UNDECIDED)]
    designed = [one for one in all_ if one.fault == BY_DESIGN]
    parts = {part: [one for one in every if one.case.part == part] for part in PARTS}
    parts[REPORTED] = [one for one in every if one.case.part != SET_ON]
    return {
        "runs": len(every),
        "designed": {"runs": len(designed), "found": sum("rate-restarts" in one.found for one in designed)},
        "undecided": len(all_) - len(every) - len(designed),
        "power": _power(every),
        "micros": statistics.median(one.micros for one in every) if every else 0.0,
        "healthy": {part: _healthy(some) for part, some in parts.items()},
        "faults": [_of_fault(fault, strength, parts) for fault, strength in _with_strengths(every)],
        "parts": {part: _faulty(some) for part, some in parts.items()},
    }


def _with_strengths(every: Sequence[Judged]) -> list[tuple[str, float]]:
    """Each fault with each of its strengths; those that experiments tell by none."""
    pairs = [(fault, strength) for fault, some in STRENGTHS.items() for strength in some if fault in NAMES]
    return [*pairs, (WORSE, 0.0), (UNSEEN, 0.0)]


def _healthy(some: Sequence[Judged]) -> dict[str, Any]:
    healthy = [one for one in some if not one.fault]
    return {
        "runs": len(healthy),
        "fail": sum("fail" in one.whole.values() for one in healthy),
        "whole": sum(bool(one.whole) for one in healthy),
        "live": sum(bool(one.live) for one in healthy),
        "false": sum(bool(one.false) for one in healthy),
        "false_by": dict(Counter(name for one in healthy for name in one.false)),
        "stopped": sum(bool(one.stopped) for one in healthy),
        "whole_by": dict(Counter(name for one in healthy for name in one.whole)),
        "live_by": dict(Counter(name for one in healthy for name in one.live)),
    }


def _faulty(some: Sequence[Judged]) -> dict[str, Any]:
    faulty = [one for one in some if one.fault]
    return {
        "runs": len(faulty),
        "soon": sum(one.delay <= WITHIN for one in faulty),
        **_lateness(faulty),
        "caught": sum(bool(one.found) for one in faulty),
        "named": sum(one.named for one in faulty),
    }


def _lateness(some: Sequence[Judged]) -> dict[str, Any]:
    """Of the runs whose fault becomes knowable while they go on: how many, when, how many soon, and how many are named
    soon after."""
    late = [one.late for one in some if one.late is not None]
    after = [one.knowable - one.case.onset for one in some if one.knowable is not None]
    return {
        "knowable": len(late),
        "knowable_soon": sum(one <= WITHIN for one in after),
        "knowable_after": statistics.median(after) if after else None,
        "soon_after": sum(one <= WITHIN for one in late),
    }


def _power(every: Sequence[Judged]) -> list[dict[str, Any]]:
    """What the best test could find by training losses, and what is found: a row for each run that it is known of."""
    distances = read_oracle()
    return [
        {
            "part": one.case.part,
            "fault": one.fault,
            "data": one.case.data,
            "steps": one.case.steps,
            "power": power(distances[one.case.name]["d"]),
            "power_soon": power(distances[one.case.name]["d_soon"]),
            "named": one.named,
        }
        for one in sorted(every, key=lambda one: one.case.name)
        if one.case.name in distances
    ]


def _of_fault(fault: str, strength: float, parts: dict[str, list[Judged]]) -> dict[str, Any]:
    row: dict[str, Any] = {"fault": fault, "strength": strength, "checks": NAMES[fault]}
    for part, every in parts.items():
        some = [one for one in every if one.fault == fault and (not strength or one.case.strength == strength)]
        delays = [one.delay for one in some if math.isfinite(one.delay)]
        row[part] = {
            "runs": len(some),
            "named": sum(one.named for one in some),
            "any": sum(bool(one.found) for one in some),
            "live": len(delays),
            "soon": sum(delay <= WITHIN for delay in delays),
            "delay": statistics.median(delays) if delays else None,
            **_lateness(some),
        }
    return row
