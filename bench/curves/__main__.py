"""What the curve checks find: on real logs, faults injected into their noise, real short runs, and simulated curves.

A healthy log should give no FAIL and hardly a WARN, and a faulty one the name of its fault. Real logs and injected
faults are reported by halves of the repositories: limits were set with half A in view. ``--write`` makes
docs/curves.md. Nothing is trained (``python -m bench.curves.short_runs`` trains); it takes minutes.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.curves.bound import of_half as bound_of
from bench.curves.expected import EXPECTED, repository
from bench.curves.injected import INJECTED
from bench.curves.injected_settings import CLEAN as CLEAN_TWINS
from bench.curves.injected_settings import SETTINGS
from bench.curves.judging import FAULTY, chance_of, findings
from bench.curves.page import write
from bench.curves.real_noise import HALVES, LOUDEST, Chance, donors, half
from bench.curves.short_runs.judging import figures as short_runs
from bench.curves.short_runs.table import read as read_short_runs
from bench.curves.simulated import CLEAN
from bench.curves.simulated_faults import FAULTS
from bench.curves.unseen.__main__ import figures as unseen_figures
from bench.curves.unseen.__main__ import judged as unseen_judged
from bench.curves.unseen.__main__ import read as read_unseen
from bench.figures import options, shared, show
from sanetune.curves.logs.trainer_state import read
from sanetune.curves.series import Curve
from sanetune.finding import Verdict

GALLERY = {
    "healthy": "healthy",
    "lr_hot": "diverged",
    "lr_zero": "flat",
    "bad_labels": "wrong labels",
    "fp16_nan": "diverged, NaN",
    "overfit": "overfit",
}

Row = dict[str, Any]


def logs(folder: Path) -> list[tuple[str, str, Path]]:
    """(name, label, file) of every real log."""
    with (folder / "logs/wild/INDEX.csv").open() as file:
        labels = {row["id"]: row["label"].replace(";no-eval", "") for row in csv.DictReader(file)}
    files = sorted(folder.glob("logs/*/*/trainer_state.json"))
    return [
        (file.parent.name, GALLERY.get(file.parent.name) or labels.get(file.parent.name, ""), file) for file in files
    ]


def of_logs() -> list[Row]:
    with (shared() / "logs/wild/INDEX.csv").open() as file:
        listed = {row["id"]: row["repo"] for row in csv.DictReader(file)}
    rows = []
    for name, label, file in logs(shared()):
        found = {one.check: one.verdict.value for one in findings(read(file).curve())}
        expected = EXPECTED.get(name, ())
        rows.append(
            {
                "log": name,
                "half": half(repository(name, listed)),
                "label": label,
                "findings": found,
                "named": [check for check in expected if check in found],
                "missed": [check for check in expected if check not in found],
                "besides": [check for check in found if check not in expected],
            }
        )
    return rows


def of_clean(count: int, curves: dict[str, Callable[[Chance], Curve]]) -> list[Row]:
    rows = []
    for kind, make in curves.items():
        fails = warns = 0
        which: Counter[str] = Counter()
        for seed in range(count):
            found = findings(make(chance_of(kind, seed)))
            fails += any(one.verdict is not Verdict.WARN for one in found)
            warns += any(one.verdict is Verdict.WARN for one in found)
            which.update(one.check for one in found)
        rows.append({"kind": kind, "curves": count, "fail": fails, "warn": warns, "checks": dict(which)})
    return rows


def of_faults(count: int, curves: Sequence[tuple[tuple[str, ...], str, Callable[[Chance], Curve]]]) -> list[Row]:
    rows = []
    for checks, kind, make in curves:
        named = anything = 0
        for seed in range(count):
            found = {one.check for one in findings(make(chance_of(kind, FAULTY + seed)))}
            named += bool(found.intersection(checks))
            anything += bool(found)
        rows.append({"check": " or ".join(checks), "kind": kind, "curves": count, "named": named, "any": anything})
    return rows


def of_half(which: str, count: int) -> dict[str, list[Row]]:
    """Clean twins and injected faults in the noise of one half's healthy logs."""
    some = donors(shared(), which)
    quiet = tuple(one for one in some if one.noise <= LOUDEST)
    clean = {kind: _in(make, some) for kind, make in CLEAN_TWINS.items()}
    injected = [*INJECTED, *SETTINGS]
    found = of_faults(count, [(checks, kind, _in(make, some)) for checks, kind, make in injected])
    if len(quiet) < len(some):
        less = of_faults(count, [(checks, kind, _in(make, quiet)) for checks, kind, make in injected])
        found = [one | {"quiet": other["named"]} for one, other in zip(found, less, strict=True)]
    return {"clean": of_clean(count, clean), "faults": found}


def _in(make: Callable[[Chance, Any], Curve], some: Any) -> Callable[[Chance], Curve]:
    return lambda chance: make(chance, some)


def main() -> int:
    args = options(__doc__, write="write docs/curves.md")
    count = 20 if args.quick else 100
    figures: dict[str, Any] = {
        "logs": of_logs(),
        "unseen": unseen_figures([unseen_judged(log) for log in read_unseen()]),
        "short_runs": short_runs(read_short_runs()),
        "bound": [row for which in HALVES for row in bound_of(which, 10 if args.quick else 50)],
        "halves": {which: of_half(which, count // 2 if args.quick else count) for which in HALVES},
        "clean": of_clean(count, CLEAN),
        "faults": of_faults(count, [((check,), kind, make) for check, kind, make in FAULTS]),
    }
    words = [
        [one["log"][:40], one["half"], one["label"], ", ".join(f"{k[6:]} {v}" for k, v in one["findings"].items())]
        for one in figures["logs"]
    ]
    show("Real logs", ["log", "half", "label", "found"], words, {}, None)
    for title, some in [(f"Noise of half {which}", figures["halves"][which]) for which in HALVES] + [
        ("Simulated", figures)
    ]:
        clean = [
            [one["kind"], one["curves"], one["fail"], one["warn"], ", ".join(one["checks"])] for one in some["clean"]
        ]
        show(f"{title}: clean curves", ["kind", "curves", "FAIL", "WARN", "by"], clean, {}, None)
        faults = [[one["check"], one["kind"], one["curves"], one["named"], one["any"]] for one in some["faults"]]
        show(f"{title}: faults", ["check", "fault", "curves", "named", "any"], faults, figures, args.json)
    if args.write:
        write(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
