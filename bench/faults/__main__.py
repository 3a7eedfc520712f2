"""Planted faults and clean twins: what the gate catches, whether it names the cause, and where it cries wolf.

``--level static`` (the only one yet) runs every recipe on its set-ups, every clean run, and each fault through TRL
alone. Each case has a process of its own, so that a hang or a crash is a result like any other. ``--write`` makes
docs/faults.md; ``--only NAMES`` runs the recipes (or expected checks) that begin so. Exits with 1 when a fault is
missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.faults import clean, looks, rival
from bench.faults.cases import SECONDS, Cases, Result
from bench.faults.recipes import Recipe, recipes
from bench.faults.tables import document, fault_rows, summary
from bench.figures import ROOT, show

COLUMNS = ("fault", "expected", "set-ups", "caught", "named", "what else spoke", "TRL alone")
QUICK = 16
"""Recipes of a quick run."""
HANGS = 45.0
"""Seconds after which TRL alone hangs; no other fault takes it a quarter of that."""


def main() -> None:
    args = _options()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        (folder / "models").mkdir()
        os.environ |= {
            "SANETUNE_CACHE": str(folder / "cache"),
            "HF_HOME": str(folder / "hub"),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        bench = Bench(Cases(), folder)
        chosen = _chosen(args)
        faults = [bench.fault(recipe, args.quick) for recipe in chosen]
        runs = [] if args.only else [bench.clean(run) for run in (clean.quick() if args.quick else clean.runs())]
        if not args.quick:
            bench.rivals(chosen, faults)
    figures = {"level": args.level, "seconds": time.perf_counter() - began, "faults": faults, "clean": runs}
    figures["summary"] = summary(figures)
    show("Planted faults, level static", COLUMNS, fault_rows(faults), figures, args.json)
    print("\n".join(figures["summary"]["lines"]))
    if args.write:
        (ROOT / "docs" / "faults.md").write_text(document(figures, COLUMNS))
    if missed := figures["summary"]["missed"]:
        sys.exit("missed: " + "; ".join(missed))


class Bench:
    """Runs cases and keeps what they gave as plain values."""

    def __init__(self, cases: Cases, folder: Path) -> None:
        self._cases, self._folder, self._number = cases, folder, 0
        self._twins: dict[str, Result] = {}

    def fault(self, recipe: Recipe, quick: bool = False) -> dict[str, Any]:
        """One fault on each of its set-ups."""
        on = recipe.on[self._number % len(recipe.on) :][:1] if quick else recipe.on
        found = [_judged(recipe, where, self._run(looks.planted, recipe.name, where)) for where in on]
        missed = [one["on"] for one in found if not one["caught"]]
        print(f"{recipe.name}: {len(found) - len(missed)} of {len(found)}", file=sys.stderr)
        about = {"fault": recipe.name, "what": recipe.what, "expected": recipe.expected}
        return about | {"related": list(recipe.related), "cases": found, "trl": {"does": "not tried", "words": ""}}

    def clean(self, run: clean.Clean) -> dict[str, Any]:
        """One clean run; whatever speaks is a false alarm."""
        result = self._run(looks.clean, run.name, run.kind, run.changes)
        print(f"clean: {run.title}", file=sys.stderr)
        return {"run": run.title, "broken": result.fault, "seconds": result.seconds} | _look(result)

    def rivals(self, chosen: list[Recipe], faults: list[dict[str, Any]]) -> None:
        """TRL alone on the first set-up of each recipe."""
        for recipe, fault in zip(chosen, faults, strict=True):
            fault["trl"] = self._rival(recipe) if recipe.rival else {"does": "n/a", "words": "no equivalent"}
            print(f"TRL: {recipe.name} {fault['trl']['does']}", file=sys.stderr)

    def _rival(self, recipe: Recipe) -> dict[str, Any]:
        where = recipe.on[0]
        if where not in self._twins:
            self._twins[where] = self._run(rival.without, where)
        twin, heard = self._twins[where], self._run(rival.with_fault, recipe.name, where, seconds=HANGS)
        if twin.fault:
            return {"does": "n/a", "words": f"the clean twin does not run: {twin.fault}"}
        if heard.fault in ("time", "memory"):
            does = {"time": "hangs", "memory": "fills the memory"}[heard.fault]
            return {"does": does, "words": f"stopped after {heard.seconds:.0f} s"}
        if heard.fault:
            return {"does": "dies", "words": heard.fault[-300:]}
        does, words = rival.verdict(heard.value, twin.value)
        return {"does": does, "words": words}

    def _run(self, function: Any, *arguments: Any, seconds: float = SECONDS) -> Result:
        self._number += 1
        folder = self._folder / f"case-{self._number}"
        result = self._cases.run(function, *arguments, folder, seconds=seconds)
        _empty(folder)
        return result


def _judged(recipe: Recipe, where: str, result: Result) -> dict[str, Any]:
    found: dict[str, Any] = {"on": where, "broken": result.fault, "seconds": result.seconds, **_look(result)}
    refused = bool(recipe.refused and recipe.refused in found["unusable"])
    spoke: dict[str, Any] = found["spoke"]
    verdict = spoke.get(recipe.expected, {}).get("verdict")
    caught = refused or verdict in ("warn", "fail")
    others = sorted(set(spoke) - {recipe.expected, *recipe.related})
    return found | {
        "caught": caught,
        "refused": refused,
        "verdict": "refused" if refused else verdict,
        "named": caught and not others,
        "others": others,
    }


def _look(result: Result) -> dict[str, Any]:
    if result.value is None:
        return {"spoke": {}, "unusable": "", "looked": 0}
    values = asdict(result.value)
    spoke = {check: {"verdict": verdict, "what": what} for check, (verdict, what) in values["spoke"].items()}
    return {"spoke": spoke, "unusable": values["unusable"], "looked": values["looked"]}


def _empty(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _chosen(args: argparse.Namespace) -> list[Recipe]:
    every = list(recipes().values())
    if args.only:
        return [
            one for one in every if one.name.startswith(tuple(args.only)) or one.expected.startswith(tuple(args.only))
        ]
    return every[:: max(1, len(every) // QUICK)][:QUICK] if args.quick else every


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--level", choices=["static"], default="static", help="how far the checks go")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--quick", action="store_true", help="a smaller run, under a minute")
    parser.add_argument("--write", action="store_true", help="make docs/faults.md of a whole run")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="recipes or expected checks that begin so")
    args = parser.parse_args()
    if args.write and (args.quick or args.only):
        parser.error("--write takes a whole run")
    return args


if __name__ == "__main__":
    main()
