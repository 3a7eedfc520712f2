"""What the watch says of runs that are going on, step by step: alarms on healthy ones, delay on faults, and its cost.

Curves are those of ``bench.curves``: healthy ones, and faults in the noise of healthy real logs, with a record at each
step, fed as a run makes them. A delay is counted in steps from the onset of the fault. Cost is CPU time per step, over
runs of 3,000 steps. Nothing is trained; it takes ten minutes.
"""

from __future__ import annotations

import statistics
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bench.curves.injected_settings import CLEAN as CLEAN_TWINS
from bench.curves.real_noise import HALVES, Base, Chance, Donor, base, changed, donors
from bench.curves.simulated import CLEAN
from bench.figures import options, shared, show
from sanetune.curves.series import Curve
from sanetune.finding import Verdict
from sanetune.gate.watch import EVERY, LiveFinding, Watch, live_checks

Row = dict[str, Any]
Donors = tuple[Donor, ...]
STEP = 0.1
"""Seconds of a step that the cost is compared with: a quick one; models of billions of weights take some seconds."""


def watched(curve: Curve) -> tuple[list[LiveFinding], Watch]:
    """What the watch finds while ``curve`` grows, a few steps at a time."""
    facts = replace(curve, points=[], validation=[], fixed_batch=[], weight_norms=[], finished=False, source="bench")
    watch, found = Watch(facts, live_checks()), []
    evaluations = list(curve.validation)
    for at in range(0, len(curve.points), EVERY):
        some = curve.points[at : at + EVERY]
        while evaluations and evaluations[0].step < some[0].step:
            found += watch.evaluated(evaluations.pop(0))
        found += watch.steps(some)
    return found, watch


def of_clean(count: int) -> list[Row]:
    makers: dict[str, Callable[[Chance], Curve]] = dict(CLEAN)
    for which in HALVES:
        some = donors(shared(), which)
        makers |= {f"{kind} ({which})": _in(make, some) for kind, make in CLEAN_TWINS.items()}
    rows = []
    for kind, make in makers.items():
        found = [watched(make(_chance(kind, seed)))[0] for seed in range(count)]
        names = Counter(f"{one.finding.check} {one.finding.verdict.value}" for some in found for one in some)
        fails = sum(any(one.finding.verdict is Verdict.FAIL for one in some) for some in found)
        rows.append({"kind": kind, "runs": count, "stopped": fails, "alarms": sum(map(bool, found)), "by": dict(names)})
    return rows


def _in(make: Callable[[Chance, Donors], Curve], some: Donors) -> Callable[[Chance], Curve]:
    return lambda chance: make(chance, some)


def _chance(kind: str, seed: int) -> Chance:
    return np.random.default_rng([seed, zlib.crc32(kind.encode())])


# ---- faults with a known onset ----


def _onset(chance: Chance, one: Base) -> int:
    return int(one.count * chance.uniform(0.2, 0.7))


def diverges(chance: Chance, one: Base) -> tuple[Curve, int]:
    """Within 10 steps the loss goes to 1.6 to 5 times its start, and stays: what bench.curves calls diverged."""
    onset, end = _onset(chance, one), one.level[0] * chance.uniform(1.6, 5)
    share = np.clip((np.arange(one.count) - onset) / 10, 0, 1)
    return changed(one, one.level * (1 - share) + end * share).curve(), onset


def spikes(chance: Chance, one: Base) -> tuple[Curve, int]:
    """2 to 6 steps at 2.5 to 6 times the loss."""
    onset, length = _onset(chance, one), int(chance.integers(2, 7))
    level = one.level.copy()
    level[onset : onset + length] *= chance.uniform(2.5, 6)
    return changed(one, level).curve(), onset


def breaks(chance: Chance, one: Base) -> tuple[Curve, int]:
    """From one step on the loss is no number."""
    onset = _onset(chance, one)
    curve = one.curve()
    points = [replace(point, loss=np.nan) if i >= onset else point for i, point in enumerate(curve.points)]
    return replace(curve, points=points), onset


def empties(chance: Chance, one: Base) -> tuple[Curve, int]:
    """From one step on the loss and its gradient are 0."""
    onset = _onset(chance, one)
    curve = one.curve()
    points = [replace(p, loss=0.0, grad_norm=0.0) if i >= onset else p for i, p in enumerate(curve.points)]
    return replace(curve, points=points), onset


FAULTS = {
    "diverges to 1.6 to 5 times its start": ("curve-diverged", diverges),
    "2 to 6 steps at 2.5 to 6 times": ("curve-spike", spikes),
    "NaN from a step on": ("curve-nan", breaks),
    "0 from a step on": ("curve-zero-loss", empties),
}


def of_faults(count: int) -> list[Row]:
    rows = []
    for which in HALVES:
        some = donors(shared(), which)
        for kind, (check, make) in FAULTS.items():
            delays, early = [], 0
            for seed in range(count):
                chance = _chance(kind + which, seed)
                curve, onset = make(chance, replace(base(chance, some, least=100, most=600), every=1))
                found = watched(curve)[0]
                first = next((one for one in found if one.finding.check == check and one.step > onset), None)
                early += any(one.step <= onset for one in found)
                delays.append(None if first is None else first.step - onset)
            known = [one for one in delays if one is not None]
            within = sum(one <= 20 for one in known)
            rows.append({
                "fault": f"{kind} ({which})", "check": check, "runs": count, "found": len(known), "within_20": within,
                "median": statistics.median(known) if known else None, "before_the_onset": early,
            })  # fmt: skip
    return rows


def of_cost(count: int) -> Row:
    """CPU microseconds of a step in healthy runs of 3,000 steps."""
    some, each, asked = donors(shared(), "A"), [], []
    for seed in range(count):
        curve = replace(base(_chance("cost", seed), some, least=3_000, most=3_000), every=1).curve()
        began = time.process_time()
        watch = watched(curve)[1]
        each.append((time.process_time() - began) / len(curve.points) * 1e6)
        asked.append(watch.asked)
    median = statistics.median(each)
    return {"runs": count, "median_us": median, "most_us": max(each), "asked": statistics.median(asked),
            "share_of_step": median / 1e6 / STEP, "most_share_of_step": max(each) / 1e6 / STEP}  # fmt: skip


def main() -> int:
    args = options(__doc__)
    count = 5 if args.quick else 50
    figures = {"clean": of_clean(count), "faults": of_faults(count), "cost": of_cost(3 if args.quick else 10)}
    clean = [
        [one["kind"], one["runs"], one["stopped"], one["alarms"], ", ".join(one["by"])] for one in figures["clean"]
    ]
    show("Healthy runs", ["kind", "runs", "stopped", "with an alarm", "by"], clean, {}, None)
    columns = ["fault", "check", "runs", "found", "within_20", "median", "before_the_onset"]
    show("Faults", columns, [[one[name] for name in columns] for one in figures["faults"]], {}, None)
    cost = figures["cost"]
    row = [f"{cost['median_us']:.0f}", f"{cost['most_us']:.0f}", f"{cost['asked']:.0f}", f"{cost['share_of_step']:.3%}"]
    show(
        "Cost",
        ["CPU microseconds per step", "most", "times asked", f"of a step of {STEP:g} s"],
        [row],
        figures,
        args.json,
    )
    alarms = sum(one["stopped"] for one in figures["clean"])
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
