"""``python -m bench.strangers.ranks``: trainers of 2, 3 and 4 processes, gated and not.

Every case of ``tests/evidence/launched.py`` with each number of processes: what the gate says is right, the same on
all processes, and the losses are those without the gate. Those of ``launched_levels.py`` have level ``trial``:
its steps are those that all processes make together, and nothing is left of it on any of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

FULL = 2
"""Steps that are compared, also with four processes and accumulation: the last of an epoch is filled up with rows."""
CLOSE = defaultdict(lambda: 1e-3, {"tokens of each process alone": 0.05, "one batch for all": 0.05, "too high": 1.0})
"""How far gradient norms of the trial may be from those of the run (relative), for each case."""


def found(count: int) -> dict[str, list[str]]:
    """What is wrong about each case with so many processes."""
    from tests.evidence.launched import CASES, launch, observe

    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "found.json")
        cases = [name for name in CASES if name != "split batches" or 4 % count == 0]  # a batch has 4 rows
        if any(launch(count, lambda: observe(file, cases))):
            return {"all": ["a process has stopped"]}
        wrong: dict[str, list[str]] = json.loads(Path(file).read_text())
        return wrong


def wrong_at_levels(count: int) -> dict[str, list[str]]:
    """What is wrong about each case at level ``trial`` with so many processes."""
    from tests.evidence import launched_levels
    from tests.evidence.launched import launch

    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "found.json")
        cases = tuple(name for name in launched_levels.CASES if name != "one batch for all" or 4 % count == 0)
        if any(launch(count, lambda: launched_levels.observe(file, cases))):
            return {"levels": ["a process has stopped"]}
        found: dict[str, list[dict[str, Any]]] = json.loads(Path(file).read_text())
    return {f"{name}, trial": _wrong(name, everyone) for name, everyone in found.items()}


def _wrong(name: str, everyone: list[dict[str, Any]]) -> list[str]:
    first = everyone[0]
    faults = [f"{', '.join(one['changed'])} changed" for one in everyone if one["changed"]]
    faults += ["another run than without"] if not all(one["same"] for one in everyone) else []
    faults += ["the processes were told different things"] if any(one != first for one in everyone) else []
    apart = [
        abs(tried[1] - made[1]) / made[1] for tried, made in zip(first["steps"][:FULL], first["run"], strict=False)
    ]
    faults += [f"gradient norms differ by {max(apart):.1g}"] if max(apart, default=0.0) > CLOSE[name] else []
    return faults


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.strangers.ranks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 processes alone")
    parser.add_argument("--json", type=Path, help="where the figures go")
    asked = parser.parse_args(arguments)
    figures = {}
    for count in (2,) if asked.quick else (2, 3, 4):
        began = time.perf_counter()
        figures[count] = found(count) | wrong_at_levels(count)
        right = sum(not faults for faults in figures[count].values())
        seconds = time.perf_counter() - began
        print(f"{count} processes: {right} of {len(figures[count])} cases right, {seconds:.0f} s", flush=True)
        for name, faults in figures[count].items():
            for fault in faults:
                print(f"    {name}: {fault}")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if any(faults for one in figures.values() for faults in one.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
