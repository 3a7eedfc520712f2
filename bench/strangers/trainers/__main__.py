"""``python -m bench.strangers.trainers``: what is said of each script, and whether it is right.

``--level probe`` makes experiments on each as well, and looks whether anything is left of them: the state of the
trainer, and the losses and weights of ``train()`` afterwards, beside those of a trainer that was not checked.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.strangers.trainers.material import Script

LEFT_OUT = ("config", "machine", "rows-secrets", "rows-outliers", "rows-duplicated")
"""Advice on arguments and rows that is no matter of the script."""


@dataclass(frozen=True)
class Result:
    """What was said of one script, beside what is right.

    Attributes:
        name: Of the script.
        wrong: What is missed, said without cause, passed although nothing was inspected, or disturbed.
        verdicts: Check -> verdict.
        messages: Check -> message.
        cpu_seconds: Of the check.
    """

    name: str
    wrong: list[str]
    verdicts: dict[str, str]
    messages: dict[str, str]
    cpu_seconds: float


def run(script: Script, level: str) -> Result:
    from sanetune.errors import UserError
    from sanetune.workflows.check import check_trainer
    from tests.engine.own.strangers import run_of, same, state_of

    with tempfile.TemporaryDirectory() as folder:
        trainer = _built(script, Path(folder) / "checked")
        before = state_of(trainer) if level != "static" else {}
        began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        try:
            report = check_trainer(trainer, level=level, loss_on=script.loss_on, ignore=LEFT_OUT, budget=1e9)
        except UserError as error:
            return Result(script.name, [] if "refused" in script.skips else [f"is refused: {error}"], {}, {}, 0.0)
        seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - began
        verdicts = {one.check: str(one.verdict) for one in report.findings}
        messages = {one.check: one.traceback or one.message for one in report.findings}
        wrong = _wrong(script, level, verdicts, messages)
        if level != "static":
            after = state_of(trainer)
            wrong += [f"disturbed: {name}" for name, value in after.items() if not same(before[name], value)]
            if not same(run_of(trainer), run_of(_built(script, Path(folder) / "plain"))):
                wrong.append("disturbed: the run afterwards is another one")
    return Result(script.name, wrong, verdicts, messages, round(seconds, 1))


def _built(script: Script, folder: Path) -> Any:
    """The trainer, always alike."""
    import numpy as np
    import torch

    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    return script.build(folder)


def _wrong(right: Script, level: str, found: dict[str, str], messages: dict[str, str]) -> list[str]:
    faults = [f"{name} is {found.get(name)}, not fail" for name in right.fails if found.get(name) != "fail"]
    faults += [f"{name} is {found.get(name)}, not warn" for name in right.warns if found.get(name) != "warn"]
    faults += [f"{name} is {found.get(name)}, not skip" for name in right.skips if found.get(name) != "skip"]
    faults += [f"{name}: {messages[name]}" for name in found if found[name] == "crash"]
    expected = right.fails | right.warns | right.advice
    if level != "static":
        expected |= right.probed
        faults += [f"{name} is {found.get(name)}" for name in right.probed if found.get(name) not in ("warn", "fail")]
    alarms = [name for name, verdict in found.items() if verdict in ("fail", "warn") and name not in expected]
    return faults + [f"{name}: {found[name]}: {messages[name]}" for name in alarms]


def scripts() -> list[Script]:
    from bench.strangers.trainers import language_models, masked, objectives, own, setups, sft, streams, variants

    modules = (masked, language_models, sft, streams, own, variants, objectives, setups)
    return [one for module in modules for one in module.SCRIPTS]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.strangers.trainers", description=__doc__)
    parser.add_argument("--only", default="", help="part of a script's name")
    parser.add_argument("--level", choices=("static", "probe"), default="static")
    parser.add_argument("--all", action="store_true", help="show every finding")
    parser.add_argument("--quick", action="store_true", help="every fourth script")
    parser.add_argument("--json", type=Path, help="where the figures go")
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    chosen = [one for one in scripts() if asked.only in one.name]
    results = [_shown(run(one, asked.level), asked.all) for one in chosen[:: 4 if asked.quick else 1]]
    right = sum(not one.wrong for one in results)
    print(f"{right} of {len(results)} scripts get the findings that are right, and no others")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n")
    return 0 if right == len(results) else 1


def _shown(result: Result, everything: bool) -> Result:
    print(f"{'right' if not result.wrong else 'WRONG':5} {result.cpu_seconds:5.1f} s  {result.name}", flush=True)
    for fault in result.wrong:
        print(f"        {fault}")
    for name, verdict in result.verdicts.items() if everything else ():
        print(f"        {verdict:5} {name}: {result.messages[name]}")
    return result


if __name__ == "__main__":
    sys.exit(main())
