"""What the autopilot ends with from good and broken starts, on rows that no run of it ever saw.

Each start is a small run with a fault in its settings or its data, or with none. Whether its model is better than the
base is measured apart from the autopilot, on test rows. What can be had is the best of three learning rates on the
sound configuration, those around the best that `bench.correct` has found. What is done is kept in FOLDER, and a second
start goes on from there.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from bench.auto.starts import all_setups, all_starts
from bench.auto.tables import COLUMNS, best, key_of, lines, markdown, rows, summary
from bench.correct.__main__ import Results
from bench.figures import ROOT, isolate, quiet, show

QUICK = 1
AROUND = slice(2, 5)
"""Of the grid: the learning rates around the best ones that `bench.correct` has found on these set-ups."""
PAGE = ROOT / "docs" / "auto.md"
MARKS = re.compile(r"(<!-- bench.auto -->\n).*?(\n<!-- end -->)", re.DOTALL)


def main() -> None:
    args = _options()
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
    from bench.auto.runs import Truth, best_known, ended_run

    known = all_setups(folder)
    truths: dict[str, Truth] = {}
    for start in every:
        setup = known[start.setup]
        if start.setup not in truths:
            with quiet():
                truths[start.setup] = Truth(setup, folder)
        truth = truths[start.setup]
        for lr in setup.lrs[AROUND]:
            results.made(f"grid {setup.name} {lr:g}", lambda: best_known(setup, lr, truth, folder / "grid"))  # noqa: B023
        aim = best(results.rows, start.setup)
        assert aim is not None
        results.made(key_of(start), lambda: ended_run(start, setup, aim["rate"], truth, folder / "start"))  # noqa: B023


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
