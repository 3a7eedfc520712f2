"""Recipes of faults: each takes a clean set-up and breaks one thing.

A recipe is a function whose name says what is broken and whose docstring says how. Faults of configuration, rows,
template and weights change the set-up; faults of labels and batches, which sanetune's own pipeline cannot make, are
injected in a built trainer by what the recipe returns; faults of the engine and of the machine are there for as long as
the context that the recipe returns is active.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.faults.setups import Setup
from bench.faults.trainers import Kit

Inject = Callable[[Setup], None]
Build = Callable[[Setup, str], Kit]
Patch = Callable[[Setup], AbstractContextManager[object]]

FILES = (
    "faulty_config",
    "faulty_rows",
    "faulty_columns",
    "faulty_calls",
    "faulty_markup",
    "faulty_pairs",
    "faulty_templates",
    "faulty_tokens",
    "faulty_labels",
    "faulty_batches",
    "faulty_models",
    "faulty_saves",
    "faulty_engine",
    "faulty_machine",
    "faulty_lr",
    "faulty_runs",
    "faulty_samples",
)


UNPLANTED = {
    "ranks-alone": "needs a launcher: tests/checks/ranks sets the variables of five",
    "ranks-disagree": "needs several processes: tests/probes/test_rank_comparison.py injects four faults into two",
    "model-evaluation-dropout": "needs somebody's own evaluation: tests/evidence/test_trainer_evaluation.py has it",
    "curve-staircase": "models of a million weights do not remember a row from one pass: neither few rows nor"
    " high learning rates nor answers of random letters made a staircase. Real logs and simulations do (curves.md).",
    "curve-unchanged": "a trial evaluates with the losses of single rows, and a frozen model is found before it"
    " (model-nothing-trainable, model-update-lost). bench.curves.short_runs freezes models.",
    "curve-falls-short": "a forecast of the end, to which no recipe trains: bench.outcome makes whole runs, sound and"
    " faulty ones (outcome.md).",
    "model-forgets": "the models of the set-ups know too little general text to forget any, and the check is skipped"
    " there. bench.forgetting injects it into SmolLM2-135M-Instruct.",
    **dict.fromkeys(
        (
            "curve-best-earlier",
            "curve-loss-summed",
            "curve-rate-restarts",
            "curve-stalled",
            "curve-stopped-early",
            "curve-unmeasured",
            "curve-warmup-long",
        ),
        "about whole runs and logs: a trial has one schedule and evaluations of its own. bench.curves injects it.",
    ),
}
"""Checks that no recipe expects, and why."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One fault. ``expected``: the check that has to fail or warn; ``related``: others that state the same fault.

    ``on``: the set-ups that it is injected in, for trainers with the kind of trainer behind a slash. ``rival``: whether
    TRL alone can be given the same. ``refused``: a key that sanetune itself refuses, with an error that names it,
    before any check can look. ``level``: how far the checks go; above static, set-ups are those of
    :mod:`bench.faults.deep`.
    """

    name: str
    description: str
    expected: str
    related: tuple[str, ...]
    on: tuple[str, ...]
    refused: str
    inject: Inject | None
    build: Build | None
    rival: bool
    level: str = "static"
    patch: Patch | None = None


_known: dict[str, Recipe] = {}


def breaks(
    expected: str, *, on: tuple[str, ...], related: tuple[str, ...] = (), rival: bool = True, refused: str = ""
) -> Callable[[Inject], Inject]:
    """Registers a recipe that changes a set-up."""

    def register(inject: Inject) -> Inject:
        name, description = _named(inject)
        _known[name] = Recipe(name, description, expected, related, on, refused, inject, None, rival)
        return inject

    return register


def builds(
    expected: str, *, on: tuple[str, ...], related: tuple[str, ...] = (), rival: bool = True
) -> Callable[[Build], Build]:
    """Registers a recipe that builds a trainer with a fault in it."""

    def register(build: Build) -> Build:
        name, description = _named(build)
        _known[name] = Recipe(name, description, expected, related, on, "", None, build, rival)
        return build

    return register


def deeply(
    expected: str, level: str, *, on: tuple[str, ...], related: tuple[str, ...] = (), refused: str = ""
) -> Callable[[Inject], Inject]:
    """Registers a recipe that changes a set-up of a deeper level."""

    def register(inject: Inject) -> Inject:
        name, description = _named(inject)
        _known[name] = Recipe(name, description, expected, related, on, refused, inject, None, False, level)
        return inject

    return register


def during(
    expected: str, level: str, *, on: tuple[str, ...], related: tuple[str, ...] = ()
) -> Callable[[Patch], Patch]:
    """Registers a recipe whose fault is there while a context is active: in the engine, or in the machine."""

    def register(patch: Patch) -> Patch:
        name, description = _named(patch)
        _known[name] = Recipe(name, description, expected, related, on, "", None, None, False, level, patch)
        return patch

    return register


def _named(function: Callable[..., object]) -> tuple[str, str]:
    name = function.__name__.replace("_", "-")
    assert name not in _known, name
    return name, " ".join((function.__doc__ or "").split()).rstrip(".")


@functools.cache
def recipes() -> dict[str, Recipe]:
    """All recipes by name, in the order of their files."""
    for name in FILES:
        importlib.import_module(f"bench.faults.{name}")
    return dict(_known)
