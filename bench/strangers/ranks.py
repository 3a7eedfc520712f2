"""``python -m bench.strangers.ranks``: trainers of 2, 3 and 4 processes, gated and not.

Every case of ``tests/evidence/launched.py`` with each number of processes: what the gate says is right, the same on all
processes, and the losses are those without the gate.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path


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


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.strangers.ranks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 processes alone")
    parser.add_argument("--json", type=Path, help="where the figures go")
    asked = parser.parse_args(arguments)
    figures = {}
    for count in (2,) if asked.quick else (2, 3, 4):
        began = time.perf_counter()
        figures[count] = found(count)
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
