"""Trains the short runs of `bench.curves` and keeps them in its table.

``--results FOLDER`` keeps each run in a file, so that it goes on where it stopped; ``--part I/N`` trains every Nth run
from the Ith, for several processes. ``--ask truth`` makes the runs of the table again with the experiments that say
what is true of them, ``--ask oracle`` finds out how much of a fault their losses could show at most, ``--ask
knowable`` from which step on. Without
``--results`` the table is judged, which takes seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from bench.curves.short_runs import knowable, oracle, table, truth
from bench.curves.short_runs.cases import Case, cases
from bench.curves.short_runs.judging import figures
from bench.curves.short_runs.page import section, write
from bench.curves.short_runs.table import case_of, read
from bench.curves.short_runs.training import Trainer

KEEPS = {"runs": table.keep, "truth": truth.keep, "oracle": oracle.keep, "knowable": knowable.keep}

OF_TABLE = ("truth", "knowable")
"""What is found out by the logs of the table."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="make runs, a file in FOLDER for each")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="every Nth run from the Ith")
    parser.add_argument("--ask", choices=tuple(KEEPS), default="runs", help="what is made of each run")
    parser.add_argument("--keep", action="store_true", help="write what was made into the repository")
    parser.add_argument("--write", action="store_true", help="judge the table, and write its section of docs/curves.md")
    args = parser.parse_args()
    if args.results:
        make(args.results, args.ask, args.part)
        if args.keep:
            print(f"{KEEPS[args.ask](args.results / args.ask)} {args.ask} kept")
    found = figures(read())
    print(section(found))
    if args.write:
        write(found)
    return 0


def make(folder: Path, ask: str, part: str) -> None:
    """Make what ``folder`` does not have."""
    (folder / ask).mkdir(parents=True, exist_ok=True)
    first, parts = map(int, part.split("/"))
    trainer = Trainer(folder)
    rows = {case_of(row).name: row for row in read()}
    for case in [one for one in cases() if _is_asked(one, ask)][first - 1 :: parts]:
        file = folder / ask / f"{case.name}.json"
        # The table may have fewer runs than there are cases, and only of its own can anything be found out.
        if file.exists() or (ask in OF_TABLE and case.name not in rows):
            continue
        if ask == "runs":
            found = trainer.run(case)
        elif ask == "knowable":
            found = knowable.measured(trainer, rows[case.name])
        elif ask == "truth":
            found = asdict(truth.measured(trainer, rows[case.name]))
        else:
            found = dict(oracle.measured(trainer, case))
        file.write_text(json.dumps(found))


def _is_asked(case: Case, ask: str) -> bool:
    if ask == "knowable":
        return knowable.is_asked(case)
    if ask == "truth":
        return case.fault in truth.FAULTS
    return ask == "runs" or oracle.is_asked(case)


if __name__ == "__main__":
    sys.exit(main())
