"""Injected faults and clean twins: what the gate catches, whether it names the cause, and where it cries wolf.

``--level static`` runs every recipe of rows, templates and labels on its set-ups, every clean run, and each fault
through TRL alone; ``probe`` and ``trial`` run those of model, engine, machine, curve and samples on real models. Each
case has a process of its own, so that a hang or a crash is a result like any other. With ``--results FOLDER`` what is
done is kept as it comes, and a second start goes on from there; ``--write`` makes docs/faults.md of all that is in
the folder. Exits with 1 when a fault is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench.faults import running, tables
from bench.figures import ROOT, show

QUICK = 16
"""Cases of a quick run, of each level."""


def main() -> None:
    args = _options()
    levels = args.level or list(running.LEVELS)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        scratch = Path(name)
        folder = args.results or scratch / "results"
        folder.mkdir(parents=True, exist_ok=True)
        # Models of the deeper levels are taught for a while: they stay with the results.
        (scratch / "models").symlink_to(folder / "models")
        (folder / "models").mkdir(exist_ok=True)
        os.environ |= {
            "SANETUNE_CACHE": str(scratch / "cache"),
            "HF_HOME": str(scratch / "hub"),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        results = {level: running.Results(folder, level) for level in levels}
        for level in levels:
            some = running.chosen(running.cases(level), args.part, args.only)
            if args.again:
                for case in some:
                    results[level].rows.pop(case.key, None)
            if args.quick:
                some = some[:: max(1, len(some) // QUICK)]
            if not args.tables:
                running.run(some, results[level], scratch, args.workers)
        figures = [running.gathered(level, results[level]) for level in levels]
    missed = []
    for one in figures:
        one["summary"] = tables.summary(one)
        title = f"Injected faults, level {one['level']}"
        show(title, tables.COLUMNS, tables.fault_rows(one["faults"]), one, None)
        print("\n".join(one["summary"]["lines"]))
        missed += one["summary"]["missed"]
    if args.json:
        tables.write_json(figures, args.json)
    if args.write:
        tables.write(figures, ROOT / "docs" / "faults.md")
    if missed:
        sys.exit("missed: " + "; ".join(missed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument(
        "--level", nargs="+", choices=running.LEVELS, help="how far the checks go (default: every level)"
    )
    parser.add_argument("--part", nargs="+", choices=running.PARTS, default=[], help="which cases (default: all)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="recipes, checks or runs that begin so")
    parser.add_argument("--again", action="store_true", help="run the chosen cases once more")
    parser.add_argument("--tables", action="store_true", help="run nothing, and show what there is")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep results here, and go on from them")
    parser.add_argument("--workers", type=int, default=2, help="cases at a time")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--quick", action="store_true", help="a smaller run: every n-th case")
    parser.add_argument("--write", action="store_true", help="make docs/faults.md of what there is")
    args = parser.parse_args()
    if args.write and (args.quick or args.only):
        parser.error("--write takes whole levels")
    return args


if __name__ == "__main__":
    main()
