"""Whole tiny runs, and what their first steps foretell of their end.

`--results FOLDER` makes the runs that are not in the folder yet, one after another, and `--keep` writes the table that
the repository has (`runs.json.gz`). Without either, the table is judged: seconds.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path

from bench.outcome.cases import cases


def collect(folder: Path, most: int | None = None) -> None:
    """Make the runs that ``folder`` does not have, at most ``most`` of them."""
    from bench.outcome.running import Runner

    made = folder / "runs"
    made.mkdir(parents=True, exist_ok=True)
    runner = Runner(folder / "rows")
    runner.folder.mkdir(exist_ok=True)
    left = [one for one in cases() if not (made / f"{one.name}.json").exists()]
    for number, case in enumerate(left[:most]):
        try:
            found = runner.run(case)
        except Exception as error:  # a run that breaks is written down and does not end the others
            found = case.to_json() | {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        (made / f"{case.name}.json").write_text(json.dumps(found))
        if number == 0:
            gc.freeze()  # each run collects garbage, among modules that never are any
        print(f"{number + 1} of {len(left)}: {case.name} {found.get('cpu_seconds', found.get('error'))}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="make the runs that FOLDER does not have")
    parser.add_argument("--most", type=int, help="make so many runs, at most")
    args = parser.parse_args()
    if args.results:
        collect(args.results, args.most)
    return 0


if __name__ == "__main__":
    sys.exit(main())
