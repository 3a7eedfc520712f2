"""``python -m bench.strangers.trainers``: what is said of each script, and whether it is right."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.strangers.trainers.material import Script

LEFT_OUT = ("config", "machine", "rows-secrets", "rows-outliers", "rows-duplicated")
"""Advice on arguments and rows that is no matter of the script."""


@dataclass(frozen=True)
class Result:
    """What was said of one script, beside what is right."""

    script: Script
    verdicts: dict[str, str]
    messages: dict[str, str]
    seconds: float

    @property
    def wrong(self) -> list[str]:
        """What is missed, said without cause, or passed although nothing was inspected."""
        right, found = self.script, self.verdicts
        faults = [f"{name} is {found.get(name)}, not fail" for name in right.fails if found.get(name) != "fail"]
        faults += [f"{name} is {found.get(name)}, not warn" for name in right.warns if found.get(name) != "warn"]
        faults += [f"{name} is {found.get(name)}, not skip" for name in right.skips if found.get(name) != "skip"]
        expected = right.fails | right.warns | right.advice
        faults += [f"{name}: {found[name]}" for name in found if found[name] == "crash"]
        alarms = [name for name, verdict in found.items() if verdict in ("fail", "warn") and name not in expected]
        return faults + [f"{name}: {found[name]}: {self.messages[name]}" for name in alarms]


def run(script: Script) -> Result:
    import sanetune

    with tempfile.TemporaryDirectory() as folder:
        trainer = script.build(Path(folder))
        began = time.perf_counter()
        report = sanetune.check(trainer, loss_on=script.loss_on, ignore=LEFT_OUT)
    verdicts = {one.check: str(one.verdict) for one in report.findings}
    return Result(script, verdicts, {one.check: one.message for one in report.findings}, time.perf_counter() - began)


def scripts() -> list[Script]:
    from bench.strangers.trainers import language_models, masked, own, sft, streams, variants

    return [one for module in (masked, language_models, sft, streams, own, variants) for one in module.SCRIPTS]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.strangers.trainers", description=__doc__)
    parser.add_argument("--only", default="", help="part of a script's name")
    parser.add_argument("--all", action="store_true", help="show every finding")
    parser.add_argument("--quick", action="store_true", help="every fourth script")
    parser.add_argument("--json", type=Path, help="where the figures go")
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    chosen = [one for one in scripts() if asked.only in one.name]
    results = [_shown(run(one), asked.all) for one in chosen[:: 4 if asked.quick else 1]]
    right = sum(not one.wrong for one in results)
    print(f"{right} of {len(results)} scripts get the findings that are right, and no others")
    if asked.json:
        asked.json.write_text(json.dumps([_plain(one) for one in results], indent=1) + "\n")
    return 0 if right == len(results) else 1


def _shown(result: Result, everything: bool) -> Result:
    print(f"{'right' if not result.wrong else 'WRONG':5} {result.seconds:5.1f} s  {result.script.name}", flush=True)
    for fault in result.wrong:
        print(f"        {fault}")
    for name, verdict in result.verdicts.items() if everything else ():
        print(f"        {verdict:5} {name}: {result.messages[name]}")
    return result


def _plain(result: Result) -> dict[str, Any]:
    return {
        "script": result.script.name,
        "wrong": result.wrong,
        "verdicts": result.verdicts,
        "seconds": round(result.seconds, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
