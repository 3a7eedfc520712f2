"""Trains the short runs of `bench.curves` and keeps them in its table.

``--results FOLDER`` keeps each run in a file, so that it goes on where it stopped; ``--part I/N`` trains every Nth run
from the Ith, for several processes. Without it the table is judged, which takes seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.curves.short_runs.cases import cases
from bench.curves.short_runs.judging import figures
from bench.curves.short_runs.page import section, write
from bench.curves.short_runs.table import keep, read
from bench.curves.short_runs.training import Trainer


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="train into FOLDER, a file for each run")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="train every Nth run from the Ith")
    parser.add_argument("--keep", action="store_true", help="write the runs into the repository's table")
    parser.add_argument("--write", action="store_true", help="judge the table, and write its section of docs/curves.md")
    args = parser.parse_args()
    if args.results:
        train(args.results, args.part)
        if args.keep:
            print(f"{keep(args.results / 'runs')} runs kept")
    found = figures(read())
    print(section(found))
    if args.write:
        write(found)
    return 0


def train(folder: Path, part: str) -> None:
    """Make the runs that ``folder`` does not have."""
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    first, parts = map(int, part.split("/"))
    trainer = Trainer(folder)
    for case in cases()[first - 1 :: parts]:
        file = folder / "runs" / f"{case.name}.json"
        if not file.exists():
            row = json.dumps(trainer.run(case))
            file.write_text(row)


if __name__ == "__main__":
    sys.exit(main())
