"""Whether the run is trained: only with a clearance, and only where it ends within the budget."""

from __future__ import annotations

import math

from sanetune.workflows.auto.decision import Decision, Option, first_open
from sanetune.workflows.auto.forecasts import SLOWER, aim, bar, reserve, run_steps, step_seconds, train_seconds
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states.ways import give_up

FEWEST = 20
"""Steps below which a shortened run shows nothing."""


def decide(known: Known) -> Decision:
    """Train what fits; shorten what does not."""
    checked = known.checked
    assert checked is not None and known.planned is not None
    takes = train_seconds(known)
    barred = "" if checked.cleared and checked.verdict != "fail" else "the gate has not cleared it"
    steps = run_steps(known)
    rest = f"the last {steps - known.done:,} of " if known.done else ""
    train = Option(
        "train",
        f"{rest}{steps:,} steps under watch",
        "ended",
        "train",
        {"attempt": known.attempt},
        takes,
        barred or bar(known, takes),
    )
    short = _shorter(known, steps)
    stop = give_up(known)
    chosen = first_open(train, short, stop)
    figures = {
        "steps": steps,
        "done": known.done,
        "seconds": round(takes, 1),
        "reserve": round(reserve(known), 1),
        "left": None if known.left is None else round(known.left, 1),
    }
    reason = {
        train.name: f"cleared at level {checked.level}"
        + ("" if known.left is None else ", and it fits into the budget"),
        short.name: train.barred,
        stop.name: f"{train.barred}; {short.barred}" + ("" if barred else f"; {aim(known, takes + reserve(known))}"),
    }[chosen]
    return Decision((train, short, stop), chosen, reason, figures)


def _shorter(known: Known, steps: int) -> Option:
    """A run of as many steps as fit, which has to be checked again: its schedule is another one."""
    checked, each = known.checked, step_seconds(known) * SLOWER
    again = (checked.seconds if checked else 0.0) * SLOWER
    whole = train_seconds(known)
    fixed = whole - min(whole, steps * each)
    room = 0.0 if known.left is None else known.left - reserve(known) - again - fixed
    fit = math.floor(room / each) if each else 0
    barred = "" if FEWEST <= fit < steps else f"{max(0, min(fit, steps)):,} steps would fit, {FEWEST} are the fewest"
    if known.left is None or fit >= steps:
        barred = "the whole run fits"
    if known.shortened:
        barred = "it was shortened before"
    if known.done:
        barred = f"{known.done:,} of its steps were made with the longer schedule"
    changes = {"train.max_steps": max(FEWEST, min(fit, steps))}
    words = f"train {changes['train.max_steps']:,} of {steps:,} steps, checked again with that schedule"
    return Option(
        "shorten",
        words,
        "plan",
        "change",
        {"changes": changes, "tried": changes, "shortened": True},
        again + room,
        barred,
    )
