"""``python -m bench.strangers.levels``: what level ``trial`` says of each trainer, and whether it is right."""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.strangers.levels.scripts import SCRIPTS, Script

LEFT_OUT = ("config-no-validation", "config-epochs-many", "config-few-steps", "machine", "rows")
"""Advice on arguments and rows that is no matter of these trainers."""

OPTIONS = {"trial_steps": 40, "overfit_steps": 40, "samples": 4}


@dataclass(frozen=True)
class Result:
    """What was said of one trainer.

    Attributes:
        name: Of the script.
        wrong: What is missed, or said without cause.
        failed: Checks that fail, with their messages.
        warned: Checks that warn.
        cpu_seconds: Seconds of the processor.
    """

    name: str
    wrong: list[str]
    failed: dict[str, str]
    warned: dict[str, str]
    cpu_seconds: float


def run(script: Script, named: bool = False) -> Result:
    from sanetune.workflows.check import check_trainer

    before = resource.getrusage(resource.RUSAGE_SELF)
    with tempfile.TemporaryDirectory() as folder:
        trainer = script.build(Path(folder))
        select = script.fails if named else ()
        report = check_trainer(trainer, level="trial", select=select, ignore=LEFT_OUT, budget=1e9, options=OPTIONS)
        left = sorted(path.name for path in Path(folder).iterdir())
    after = resource.getrusage(resource.RUSAGE_SELF)
    verdicts = {one.check: (str(one.verdict), one.message) for one in report.findings}
    failed = {name: message for name, (verdict, message) in verdicts.items() if verdict in ("fail", "crash")}
    warned = {name: message for name, (verdict, message) in verdicts.items() if verdict == "warn"}
    wrong = [f"files are left: {left}"] if left else []
    if script.fails and not set(script.fails) & set(failed):
        wrong.append(f"none of {', '.join(script.fails)} fails")
    expected = {*script.fails, *script.may}
    wrong += [f"{name}: {message}" for name, message in failed.items() if name not in expected]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Result(script.name, wrong, failed, warned, round(seconds, 1))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.strangers.levels", description=__doc__)
    parser.add_argument("--only", default="", help="regular expression of names")
    parser.add_argument("--named", action="store_true", help="faults alone, with the checks that name them")
    parser.add_argument("--all", action="store_true", help="show every message")
    parser.add_argument("--json", type=Path, help="where the figures go; scripts that are in it are not run again")
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    done = {}
    if asked.json and asked.json.exists():
        done = {one["name"]: Result(**one) for one in json.loads(asked.json.read_text())}
    for script in SCRIPTS:
        if not re.search(asked.only, script.name) or (asked.named and not script.fails):
            continue
        if script.name not in done:
            done[script.name] = run(script, asked.named)
            if asked.json:
                asked.json.write_text(json.dumps([asdict(one) for one in done.values()], indent=1) + "\n")
        _show(done[script.name], asked.all)
    right = sum(not one.wrong for one in done.values())
    print(f"{right} of {len(done)} trainers get the findings that are right, and no others")
    return 0 if right == len(done) else 1


def _show(result: Result, everything: bool) -> None:
    named = ", ".join(result.failed) or "clear"
    print(f"{'WRONG' if result.wrong else 'right':5} {result.cpu_seconds:6.1f} s  {result.name}: {named}", flush=True)
    for fault in result.wrong:
        print(f"        {fault}")
    for name, message in (result.failed | result.warned).items() if everything else ():
        print(f"        {name}: {message}")


if __name__ == "__main__":
    sys.exit(main())
