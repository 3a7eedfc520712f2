"""The textbook's exercise, whole: SmolLM2-135M-Instruct and 500 rows of Alpaca, by the commands that a user types.

Each stage is one or two commands in a process of their own; what they printed, their exit codes and their seconds are
kept in ``--results FOLDER``, and a second start goes on with the stages that are not there. ``--write`` makes the page
in ``docs/`` and its pictures of what there is.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.figures import shared
from bench.lab.stages import STAGES, Exercise, Stage


def main() -> None:
    """Make the stages that are missing, in their order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="the model; real_material.py builds it")
    parser.add_argument("--results", type=Path, metavar="FOLDER", required=True, help="keep results here, and go on")
    parser.add_argument("--only", nargs="+", metavar="STAGE", choices=[stage.name for stage in STAGES], default=[])
    parser.add_argument("--threads", type=int, default=2, help="threads of each process (default: 2)")
    parser.add_argument("--quick", action="store_true", help="60 rows and few steps: that every stage runs")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--write", action="store_true", help="make the page of what there is, and run nothing")
    given = parser.parse_args()
    given.results.mkdir(parents=True, exist_ok=True)
    if not given.write:
        if not given.model:
            parser.error("--model FOLDER is needed to run anything")
        rows = shared() / "data/alpaca/instruction-data.json"
        it = Exercise(given.results.resolve(), given.model.resolve(), rows, given.threads, given.quick)
        for stage in STAGES:
            if not given.only or stage.name in given.only:
                make(stage, it)
    done = {
        stage.name: json.loads(file.read_text()) for stage in STAGES if (file := record(stage, given.results)).exists()
    }
    if given.json:
        given.json.write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n")
    if given.write:
        from bench.lab import page

        page.write(done, given.results)


def record(stage: Stage, results: Path) -> Path:
    """Where the figures of a stage are; its commands write files beside them."""
    return results / f"stage-{stage.name}.json"


def make(stage: Stage, it: Exercise) -> None:
    """Run a stage that has not been run, and keep its figures."""
    file = record(stage, it.folder)
    if file.exists():
        return
    print(f"{stage.name}: {stage.meaning}", flush=True)
    figures = stage.run(it)
    file.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    for one in figures["commands"]:
        print(f"  {one['seconds']:7.1f} s  exit {one['exit']}  {one['command']}", flush=True)


if __name__ == "__main__":
    main()
