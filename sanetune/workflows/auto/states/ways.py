"""Ways that several states lead to: give up, reject, or make another attempt with something changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.workflows.auto.decision import Option
from sanetune.workflows.auto.forecasts import bar, check_seconds, reserve, train_seconds
from sanetune.workflows.auto.known import LR, Known

ATTEMPTS = 3
"""Runs that are trained, at most."""
FEWEST = 10
"""Training rows below which nothing can be shown about a model."""


def give_up(known: Known) -> Option:
    """End without a comparison."""
    return Option("give up", "end here, and say why", "report", with_={"outcome": "gave up"})


def reject(known: Known) -> Option:
    """End with the base as the better choice."""
    return Option("reject", "keep the base, and say why", "report", with_={"outcome": "rejected"})


def retry(known: Known, changes: Mapping[str, Any], words: str) -> Option:
    """Make another attempt with ``changes``, checked again; barred where it does not fit, or was tried.

    Args:
        known: What is known.
        changes: ``section.key`` -> value.
        words: What speaks for it.
    """
    level = known.checked.level if known.checked else "trial"
    checking = known.checked.seconds * 1.2 if known.checked else check_seconds(known, level)
    takes = checking + train_seconds(known, _times(known, changes))
    barred = ""
    if not changes:
        barred = "no change is known that would help"
    elif dict(changes) in known.tried:
        barred = "this was tried before"
    elif known.attempt >= ATTEMPTS:
        barred = f"{ATTEMPTS} attempts were made"
    return Option(
        "retry",
        words,
        "plan",
        "change",
        {"retry": True, "changes": dict(changes)},
        takes,
        barred or bar(known, takes, reserve(known)),
    )


def _times(known: Known, changes: Mapping[str, Any]) -> float:
    """How many times as long as the planned run ``changes`` make it."""
    plan = known.planned
    if plan is None:
        return 1.0
    planned = {"train.max_steps": plan.steps, "train.num_train_epochs": plan.epochs}
    return max([1.0, *(float(changes[key]) / value for key, value in planned.items() if changes.get(key) and value)])


def planned_lr(known: Known) -> dict[str, Any]:
    """Return the learning rate of the run, as a change; empty: unknown."""
    return {LR: known.lr} if known.lr else {}


def lower_lr(known: Known, factor: float = 3.0) -> dict[str, Any]:
    """Return the learning rate that was trained with, divided by ``factor``, as a change; empty: unknown."""
    return {key: float(f"{lr / factor:.2g}") for key, lr in planned_lr(known).items()}


def longer(known: Known) -> dict[str, Any]:
    """Return the change to twice as many steps; empty where nothing is planned."""
    plan = known.planned
    if plan is None:
        return {}
    # Beside max_steps, epochs change nothing: the same run would be paid for twice.
    return (
        {"train.max_steps": plan.steps * 2} if plan.by_steps else {"train.num_train_epochs": round(plan.epochs * 2, 2)}
    )
