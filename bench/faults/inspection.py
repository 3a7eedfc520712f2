"""One check of a set-up: what the gate says, as plain values that travel between processes."""

from __future__ import annotations

import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.faults import deep
from bench.faults.cases import environment
from bench.faults.recipes import Recipe, recipes
from bench.faults.setups import Setup, make
from bench.faults.trainers import Kit, build


@dataclass(frozen=True, slots=True)
class Inspection:
    """What spoke: check -> (verdict, words), for checks that warned, failed or crashed. ``unusable``: the error that
    made the input so; ``checked``: how many checks gave a verdict at all."""

    spoke: dict[str, tuple[str, str]] = field(default_factory=dict)
    unusable: str = ""
    checked: int = 0
    seconds: float = 0.0


def injected(name: str, on: str, folder: Path) -> Inspection:
    """The gate on a set-up with the fault ``name`` in it."""
    recipe = recipes()[name]
    if recipe.level != "static":
        return _deeply(recipe, deep.make(on, folder / "setup", folder.parent / "models"))
    setup = make(on.partition("/")[0], folder / "setup", folder.parent / "models")
    subject, loss_on = broken(recipe, setup, on.partition("/")[2])
    with environment(setup.environment):
        return inspect_run(subject, loss_on)


def _deeply(recipe: Recipe, setup: Setup) -> Inspection:
    if recipe.inject is not None:
        recipe.inject(setup)
    with environment(setup.environment), recipe.patch(setup) if recipe.patch else nullcontext():
        return inspect_run(setup.config, level=recipe.level)


def broken(recipe: Recipe, setup: Setup, kind: str) -> tuple[Any, str | None]:
    """The configuration or trainer to check, with the fault in it; and which tokens are meant to be in the loss."""
    if recipe.inject is not None:
        recipe.inject(setup)
        return setup.config, None
    assert recipe.build is not None
    kit = recipe.build(setup, kind)
    return build(setup, kit), kit.loss_on


def inspect_run(subject: Any, loss_on: str | None = None, level: str = "static") -> Inspection:
    """The gate on a configuration or a trainer."""
    import sanetune
    from sanetune.errors import UserError

    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = sanetune.check(subject, loss_on=loss_on, level=level)
    except UserError as error:
        return Inspection(unusable=str(error), seconds=time.perf_counter() - began)
    spoke: dict[str, tuple[str, str]] = {
        finding.check: (finding.verdict.value, finding.message)
        for finding in report.findings
        if finding.verdict.value in ("warn", "fail", "crash")
    }
    checked = sum(finding.verdict.value != "skip" for finding in report.findings)
    return Inspection(spoke, str(report.unusable or ""), checked, time.perf_counter() - began)


def clean(name: str, kind: str, changes: dict[str, Any], folder: Path, level: str = "static") -> Inspection:
    """The gate on a clean set-up with these ``section.key`` changed; of a trainer, these arguments."""
    maker = make if level == "static" else deep.make
    setup = maker(name, folder / "setup", folder.parent / "models")
    if kind:
        kit = Kit.of(kind, **changes)
        return inspect_run(build(setup, kit), kit.loss_on)
    for key, value in changes.items():
        section, _, name = key.partition(".")
        setup.config.setdefault(section, {})[name] = value
    return inspect_run(setup.config, level=level)
