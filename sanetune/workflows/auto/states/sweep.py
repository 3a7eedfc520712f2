"""Whether a sweep of the learning rate pays: it does where the check has not shown which one is best."""

from __future__ import annotations

from sanetune import units
from sanetune.workflows.auto.decision import Decision, Option
from sanetune.workflows.auto.forecasts import TRIALS, bar, reserve, sweep_seconds, train_seconds
from sanetune.workflows.auto.known import Known

FAILING = 0.4
"""Chance that the run does not get there, from which on another learning rate is worth a search."""
SHARE = 0.5
"""Of the run's own time: beyond it, a sweep without a budget is not begun."""


def decide(known: Known) -> Decision:
    """Sweep where it pays and fits, once in all attempts."""
    checked = known.checked
    assert checked is not None
    takes, run = sweep_seconds(known), train_seconds(known)
    pays = _pays(known)
    barred = "one was made before" if known.swept is not None else bar(known, takes, run + reserve(known))
    if not barred and known.left is None and takes > SHARE * run and checked.lrs:
        barred = f"it takes up to {units.seconds(takes)}, the run itself {units.seconds(run)}, and no budget is set"
    sweep = Option(
        "sweep",
        f"compare {TRIALS} learning rates in short runs, and check the best",
        "adopt",
        "sweep",
        {"trials": TRIALS},
        takes,
        barred,
    )
    skip = Option("skip", "train with the learning rate that was checked", "train")
    figures = {
        "lrs_compared": checked.lrs,
        "at_edge": checked.at_edge,
        "failing": checked.failing,
        "outlook": checked.outlook,
        "seconds": round(takes, 1),
        "left": None if known.left is None else round(known.left, 1),
    }
    if pays and not barred:
        return Decision((sweep, skip), sweep.name, pays, figures)
    return Decision((skip, sweep), skip.name, barred if pays else _resolved(known), figures)


def _pays(known: Known) -> str:
    """Why a sweep pays; "": it does not."""
    checked = known.checked
    assert checked is not None
    if checked.level == "trial" and not checked.lrs:
        return "the check has compared no learning rates"
    if checked.level != "trial":
        return f"the check of level {checked.level} has compared no learning rates"
    if checked.at_edge:
        return "the planned learning rate is the best of those compared and lies at their edge: a better one may follow"
    if checked.failing is not None and checked.failing >= FAILING:
        return f"the run is forecast not to get there with a chance of {units.share(checked.failing)}"
    return ""


def _resolved(known: Known) -> str:
    checked = known.checked
    assert checked is not None
    return f"the check has compared {checked.lrs} learning rates on held-out rows, and none beats the planned one"
