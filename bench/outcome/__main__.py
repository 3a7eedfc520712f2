"""Whole tiny runs, and what their first steps foretell of their end.

`--results FOLDER` makes the runs that are not in the folder yet, one after another, and `--keep` writes those that are
into the table of the repository (`runs.json.gz`). Without either, the table is judged, which takes seconds; `--fit`
writes the calibrations of the package from it, `--write` the tables of docs/outcome.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import show
from bench.outcome import page, public
from bench.outcome.cases import Case, cases, long_cases
from bench.outcome.fitting import USUAL, fitted, seen_of_all
from bench.outcome.judging import judge
from bench.outcome.table import WholeRun, keep, read
from sanetune.forecast.outcome_calibration import FILE, Calibrations
from sanetune.typed_json import to_json


def collect(folder: Path, some: Sequence[Case], most: int | None = None) -> None:
    """Make those of ``some`` that ``folder`` does not have, at most ``most`` of them."""
    from bench.outcome.running import Runner

    made = folder / "runs"
    made.mkdir(parents=True, exist_ok=True)
    runner = Runner(folder / "rows")
    runner.folder.mkdir(exist_ok=True)
    left = [one for one in some if not (made / f"{one.name}.json").exists()]
    for number, case in enumerate(left[:most]):
        try:
            found = runner.run(case)
        except Exception as error:  # a run that breaks is written down and does not end the others
            found = case.to_json() | {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        (made / f"{case.name}.json").write_text(json.dumps(found))
        if number == 0:
            gc.freeze()  # each run collects garbage, among modules that never are any
        print(f"{number + 1} of {len(left)}: {case.name} {found.get('cpu_seconds', found.get('error'))}", flush=True)


def fit(runs: Sequence[WholeRun]) -> Calibrations:
    """The calibrations that the package has."""
    logs = public.with_losses_to_reach(public.seen(public.read()))
    return Calibrations(fitted(seen_of_all(runs)), fitted(logs, USUAL))


def print_figures(figures: dict[str, Any], file: Path | None) -> None:
    """Print how right forecasts are, by how much of a run they have seen and by data set."""
    names = ("covered", "error", "error_law", "error_last", "failing", "caught", "good", "condemned")
    tables = (("by steps seen", "after"), ("by data set, after the trial or a quarter", "data"))
    for part, (title, key) in ((part, one) for part in figures for one in tables if one[1] in figures[part]):
        rows = [[one["name"], *(one[name] for name in names)] for one in figures[part][key]]
        rounded = [[f"{cell:.3f}" if isinstance(cell, float) else cell for cell in row] for row in rows]
        show(f"{part.capitalize()} runs, {title}", ["", *names], rounded, figures, file)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="make the runs that FOLDER does not have")
    parser.add_argument("--most", type=int, help="make so many runs, at most")
    parser.add_argument("--keep", action="store_true", help="write the runs of FOLDER into the table; none is made")
    parser.add_argument("--fit", action="store_true", help="write the calibrations of the package")
    parser.add_argument("--write", action="store_true", help="write the tables of docs/outcome.md")
    parser.add_argument("--quick", action="store_true", help="as without: judging takes seconds")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    args = parser.parse_args()
    if args.keep and args.results:
        keep(args.results)
    elif args.results:
        collect(args.results, [*cases(), *long_cases()], args.most)
        return 0
    runs = read()
    if args.fit:
        FILE.write_text(json.dumps(to_json(fit(runs)), indent=1) + "\n")
    figures = judge(runs, public.read())
    print_figures(figures, args.json)
    if args.write:
        page.write(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
