"""Runs cases, several at a time, and keeps each result as it comes: a bench that was stopped goes on where it was.

Results are lines of JSON in one file per level. The last line about a case counts; a line truncated by a stop is left
out.
"""

from __future__ import annotations

import itertools
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.faults import clean, deep_clean, inspection, rival
from bench.faults.cases import SECONDS, Cases, Result
from bench.faults.recipes import Recipe, recipes

LEVELS = ("static", "probe", "trial")
PARTS = ("faults", "clean", "trl")
OUTCOME = "curve-falls-short"
"""The check that says how a run will end, which is of every fault."""
HANGS = 150.0
"""Seconds after which TRL alone hangs: other faults take it a tenth of that, and a third on a busy machine."""
DEEP_SECONDS = 1200.0
"""How long a case of a deeper level may take: a hundred times what it needs on a free core is no hang."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to run: ``part`` of LEVELS' ``level``; ``name``: the recipe, or the title of a clean run; ``on``: the
    set-up; ``call`` and ``arguments``: what runs it, given a folder last (``more`` behind it)."""

    level: str
    part: str
    name: str
    on: str
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    more: tuple[Any, ...] = field(default=())

    @property
    def key(self) -> str:
        return " ".join([self.part, self.name, "on", self.on])

    @property
    def seconds(self) -> float:
        """How long it may take."""
        if self.part == "trl" and self.name:
            return HANGS
        return SECONDS if self.level == "static" else DEEP_SECONDS


def cases(level: str) -> list[Case]:
    """Every case of a level. TRL alone is tried with the static faults only, on the first set-up of each."""
    some = [recipe for recipe in recipes().values() if recipe.level == level]
    # Every fault once before any a second time, on the cheapest models first: the first part of a run shows most.
    injected = sorted(
        ((at, recipe, on) for recipe in some for at, on in enumerate(sorted(recipe.on, key=_cost))),
        key=lambda one: one[0],
    )
    found = [
        Case(level, "faults", recipe.name, on, inspection.injected, (recipe.name, on)) for _, recipe, on in injected
    ]
    runs = clean.runs() if level == "static" else deep_clean.runs(level)
    found += [
        Case(level, "clean", run.title, run.name, inspection.clean, (run.name, run.kind, run.changes), (level,))
        for run in sorted(runs, key=lambda run: _cost(run.name))
    ]
    if level == "static":
        rivals = [recipe for recipe in some if recipe.rival]
        twins = sorted({recipe.on[0] for recipe in rivals})
        found += [Case(level, "trl", "", on, rival.without, (on,)) for on in twins]
        found += [Case(level, "trl", one.name, one.on[0], rival.with_fault, (one.name, one.on[0])) for one in rivals]
    return found


def _cost(on: str) -> int:
    """The real models of the deeper levels take two and four times as long as the others."""
    return {"stories": 1, "demo": 2}.get(on.partition("-")[0], 0)


class Results:
    """What has been found at one level, by the keys of its cases."""

    def __init__(self, folder: Path, level: str) -> None:
        self.file = folder / f"{level}.jsonl"
        self._lock = threading.Lock()
        self.rows: dict[str, dict[str, Any]] = {}
        if self.file.is_file():
            for line in self.file.read_text().splitlines():
                try:
                    row = json.loads(line)
                except ValueError:
                    continue
                self.rows[row["key"]] = row

    def add(self, case: Case, result: Result) -> None:
        """Keeps a result, at once."""
        value = None if result.value is None else asdict(result.value)
        took = {"seconds": round(result.seconds, 2), "cpu": round(result.cpu, 2)}
        row = {"key": case.key, "fault": result.fault, **took, "value": value}
        with self._lock:
            self.rows[case.key] = row
            with self.file.open("a") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def run(some: Sequence[Case], results: Results, folder: Path, workers: int) -> None:
    """Runs those of ``some`` that have no result yet, ``workers`` at a time, each in a process of its own; the parts
    in turns."""
    pending = _in_turns([case for case in some if case.key not in results.rows])
    runner, numbers, left = Cases(), itertools.count(), itertools.count(len(pending) - 1, -1)

    def one(case: Case) -> None:
        where = folder / f"case-{next(numbers)}"
        result = runner.run(case.call, *case.arguments, where, *case.more, seconds=case.seconds)
        shutil.rmtree(where, ignore_errors=True)
        results.add(case, result)
        print(
            f"{next(left)} left: {case.level} {case.key}: {result.seconds:.0f} s {result.fault[-200:]}", file=sys.stderr
        )

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(one, case) for case in pending]:
            done.result()


def _in_turns(some: Sequence[Case]) -> list[Case]:
    places = {part: itertools.count() for part in PARTS}
    return [case for _, case in sorted(((next(places[case.part]), case) for case in some), key=lambda one: one[0])]


# ---- what came out ----


def gathered(level: str, results: Results) -> dict[str, Any]:
    """The faults and the clean runs of a level, as plain values; those that have not run are left out and counted."""
    every = cases(level)
    missing = sum(case.key not in results.rows for case in every)
    faults = []
    for recipe in recipes().values():
        if recipe.level != level:
            continue
        injected = [case for case in every if case.part == "faults" and case.name == recipe.name]
        found = [judged(recipe, case.on, results.rows[case.key]) for case in injected if case.key in results.rows]
        if found:
            about = {"fault": recipe.name, "what": recipe.description, "expected": recipe.expected, "level": level}
            faults.append(about | {"related": list(recipe.related), "cases": found, "trl": _trl(recipe, results)})
    runs = [
        {"run": case.name, "broken": row["fault"], "seconds": row["seconds"]} | inspected(row)
        for case in every
        if case.part == "clean" and (row := results.rows.get(case.key))
    ]
    done = [results.rows[case.key] for case in every if case.key in results.rows]
    seconds = sum(row.get("cpu") or row["seconds"] for row in done)  # the clock runs on while others compute
    return {"level": level, "seconds": seconds, "faults": faults, "clean": runs, "missing": missing}


def judged(recipe: Recipe, where: str, row: dict[str, Any]) -> dict[str, Any]:
    """What was made of one injected fault."""
    found: dict[str, Any] = {"on": where, "broken": row["fault"], "seconds": row["seconds"], **inspected(row)}
    refused = bool(recipe.refused and recipe.refused in found["unusable"])
    spoke: dict[str, Any] = found["spoke"]
    verdict = spoke.get(recipe.expected, {}).get("verdict")
    caught = refused or verdict in ("warn", "fail")
    others = sorted(set(spoke) - {recipe.expected, *recipe.related, OUTCOME})
    return found | {
        "caught": caught,
        "refused": refused,
        "verdict": "refused" if refused else verdict,
        "named": caught and not others,
        "others": others,
    }


def inspected(row: dict[str, Any]) -> dict[str, Any]:
    """What a check of a set-up gave, out of its result."""
    value = row["value"]
    if value is None:
        return {"spoke": {}, "unusable": "", "checked": 0}
    spoke = {check: {"verdict": verdict, "what": message} for check, (verdict, message) in value["spoke"].items()}
    return {"spoke": spoke, "unusable": value["unusable"], "checked": value["checked"]}


def _trl(recipe: Recipe, results: Results) -> dict[str, str]:
    """What TRL alone does with a fault, beside its clean twin."""
    if recipe.level != "static":
        return {"does": "", "words": ""}
    if not recipe.rival:
        return {"does": "n/a", "words": "no equivalent"}
    rows = results.rows
    heard, twin = rows.get(f"trl {recipe.name} on {recipe.on[0]}"), rows.get(f"trl  on {recipe.on[0]}")
    if heard is None or twin is None:
        return {"does": "not tried", "words": ""}
    if twin["fault"]:
        return {"does": "n/a", "words": f"the clean twin does not run: {twin['fault']}"}
    if heard["fault"] in ("time", "memory"):
        does = {"time": "hangs", "memory": "fills the memory"}[heard["fault"]]
        return {"does": does, "words": f"stopped after {heard['seconds']:.0f} s"}
    if heard["fault"]:
        return {"does": "dies", "words": heard["fault"][-300:]}
    does, words = rival.verdict(_heard(heard), _heard(twin))
    return {"does": does, "words": words}


def _heard(row: dict[str, Any]) -> rival.Heard:
    value = row["value"]
    return rival.Heard(**{name: tuple(one) if isinstance(one, list) else one for name, one in value.items()})


def chosen(some: Iterable[Case], parts: Sequence[str], only: Sequence[str]) -> list[Case]:
    """Cases of ``parts`` (empty: all) whose recipe, expected check or run begins with one of ``only`` (empty: all)."""
    every = recipes()

    def wanted(case: Case) -> bool:
        names = [case.name] + ([every[case.name].expected] if case.name in every else [])
        return not only or any(name.startswith(tuple(only)) for name in names)

    return [case for case in some if (not parts or case.part in parts) and wanted(case)]
