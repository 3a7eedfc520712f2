"""What the autopilot ends with from good and broken starts, on rows that no run of it ever saw.

Each start is a small run with a fault in its settings or its data, or with none. Whether its model is better than the
base is measured apart from the autopilot, on test rows. What can be had is the best of three learning rates on the
sound configuration, and more where the best of them is the lowest or highest. What is done is kept in FOLDER, and a
second start goes on from there.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.auto.starts import all_setups, all_starts
from bench.auto.tables import COLUMNS, best, key_of, lines, markdown, rows, summary
from bench.correct.__main__ import Results
from bench.figures import ROOT, isolate, quiet, show

if TYPE_CHECKING:
    from bench.auto.runs import Truth
    from bench.correct.starts import Setup

QUICK = 1
AROUND = 3
"""Index of the middle one of the learning rates that are tried first."""
PAGE = ROOT / "docs" / "auto.md"
MARKS = re.compile(r"(<!-- bench.auto -->\n).*?(\n<!-- end -->)", re.DOTALL)


def main() -> None:
    args = _options()
    if args.write and (args.only or args.quick):
        sys.exit("--write is for all starts: without --only and --quick")
    with tempfile.TemporaryDirectory(prefix="auto-") as name:
        folder = (args.results or Path(name)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        isolate(folder)
        results = Results(folder / "results.jsonl")
        every = [one for one in all_starts() if args.only is None or one.key.startswith(args.only)]
        every = every[:QUICK] if args.quick else every
        if not args.tables:
            _run(every, results, folder)
    table, found = rows(results.rows, every), summary(results.rows, every)
    show("The autopilot from good and broken starts", COLUMNS, table, found, args.json)
    print("\n".join(lines(found)))
    if args.write:
        text = PAGE.read_text(encoding="utf-8")
        made = markdown(found, table)
        PAGE.write_text(MARKS.sub(lambda one: one[1] + made + one[2], text), encoding="utf-8")
    sys.exit(1 if found["wrongly_promoted"] or found["over_budget"] else 0)


def _run(every: list, results: Results, folder: Path) -> None:
    import torch

    torch.set_num_threads(1)
    from bench.auto.runs import Truth, ended_run

    known = all_setups(folder)
    truths: dict[str, Truth] = {}
    for start in every:
        setup = known[start.setup]
        if start.setup not in truths:
            with quiet():
                truths[start.setup] = Truth(setup, folder)
        truth = truths[start.setup]
        aim = _best_of_grid(setup, truth, results, folder)
        results.made(key_of(start), lambda: ended_run(start, setup, aim["rate"], truth, folder / "start"))  # noqa: B023


def _best_of_grid(setup: Setup, truth: Truth, results: Results, folder: Path) -> Mapping[str, Any]:
    """The best run of the sound configuration, with learning rates on both sides of its own that are worse."""
    from bench.auto.runs import best_known

    low = high = AROUND
    while True:
        for lr in setup.lrs[low - 1 : high + 2]:
            results.made(f"grid {setup.name} {lr:g}", lambda: best_known(setup, lr, truth, folder / "grid"))  # noqa: B023
        aim = best(results.rows, setup.name)
        assert aim is not None
        at = setup.lrs.index(aim["rate"])
        if low <= at <= high or at in (0, len(setup.lrs) - 1):
            return aim
        low, high = min(low, at), max(high, at)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep results here, and go on from them")
    parser.add_argument("--only", metavar="NAME", help="starts whose `set-up: name` begins so")
    parser.add_argument("--tables", action="store_true", help="run nothing, and show what there is")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--quick", action="store_true", help="one start")
    parser.add_argument("--write", action="store_true", help="put the table into docs/auto.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
