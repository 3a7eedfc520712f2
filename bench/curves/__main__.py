"""What the curve checks find: on real logs with known labels, and on simulated curves, clean and with one fault.

A healthy log should give no FAIL and hardly a WARN. For simulated curves: the share of clean ones with an alarm, and
the share of faulty ones that the right check names. Nothing is trained; it takes seconds.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from bench.curves.simulated import CLEAN
from bench.curves.simulated_faults import FAULTS
from bench.figures import options, shared, show
from sanetune.curves.logs.trainer_state import read
from sanetune.curves.series import Curve
from sanetune.evidence.registry import Evidence
from sanetune.finding import BAD, Finding, Verdict
from sanetune.gate.catalogue import catalogue
from sanetune.gate.runner import run

GALLERY = {
    "healthy": "healthy",
    "lr_hot": "diverged",
    "lr_zero": "flat",
    "bad_labels": "wrong labels",
    "fp16_nan": "diverged, NaN",
    "overfit": "overfit",
}


def findings(curve: Curve) -> list[Finding]:
    """What the checks of the curve alone say, warnings and worse."""
    checks = [check for check in catalogue().values() if check.needs == ("curve",)]
    found = run(checks, Evidence({}, {"curve": curve}))
    return [one for one in found if one.verdict in BAD]


def logs(folder: Path) -> list[tuple[str, str, Path]]:
    """(name, label, file) of every real log."""
    with (folder / "logs/wild/INDEX.csv").open() as file:
        labels = {row["id"]: row["label"].replace(";no-eval", "") for row in csv.DictReader(file)}
    files = sorted(folder.glob("logs/*/*/trainer_state.json"))
    return [
        (file.parent.name, GALLERY.get(file.parent.name) or _label(labels, file.parent.name), file) for file in files
    ]


def _label(labels: dict[str, str], name: str) -> str:
    """Labels are by the folder's name."""
    return labels.get(name, "")


def of_logs() -> list[dict[str, Any]]:
    rows = []
    for name, label, file in logs(shared()):
        found = findings(read(file).curve())
        rows.append({"log": name, "label": label, "findings": {one.check: one.verdict.value for one in found}})
    return rows


def of_clean(count: int) -> list[dict[str, Any]]:
    rows = []
    for kind, make in CLEAN.items():
        fails = warns = 0
        which: Counter[str] = Counter()
        for seed in range(count):
            found = findings(make(np.random.default_rng(seed)))
            fails += any(one.verdict is not Verdict.WARN for one in found)
            warns += any(one.verdict is Verdict.WARN for one in found)
            which.update(one.check for one in found)
        rows.append({"kind": kind, "curves": count, "fail": fails, "warn": warns, "checks": dict(which)})
    return rows


def of_faults(count: int) -> list[dict[str, Any]]:
    rows = []
    for check, kind, make in FAULTS:
        named = anything = 0
        for seed in range(count):
            found = [one.check for one in findings(make(np.random.default_rng(10_000 + seed)))]
            named += check in found
            anything += bool(found)
        rows.append({"check": check, "kind": kind, "curves": count, "named": named, "any": anything})
    return rows


def main() -> int:
    args = options(__doc__)
    count = 20 if args.quick else 100
    figures = {"logs": of_logs(), "clean": of_clean(count), "faults": of_faults(count)}
    words = [
        [one["log"][:40], one["label"], ", ".join(f"{k[6:]} {v}" for k, v in one["findings"].items()) or "–"]
        for one in figures["logs"]
    ]
    show("Real logs", ["log", "label", "found"], words, {}, None)
    clean = [
        [one["kind"], one["curves"], one["fail"], one["warn"], ", ".join(one["checks"]) or "–"]
        for one in figures["clean"]
    ]
    show("Simulated clean curves", ["kind", "curves", "FAIL", "WARN", "by"], clean, {}, None)
    faults = [[one["check"], one["kind"], one["curves"], one["named"], one["any"]] for one in figures["faults"]]
    show("Simulated faults", ["check", "fault", "curves", "named", "any finding"], faults, figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
