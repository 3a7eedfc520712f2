"""How deep the gate looks: as deep as the budget allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.workflows.auto.decision import Decision, Option, first_open
from sanetune.workflows.auto.forecasts import aim, bar, check_seconds, reserve, train_seconds
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states.ways import give_up

SHORT = 50
"""Steps of a short trial, at most."""
LEVELS = ("static", "probe", "trial")


def decide(known: Known) -> Decision:
    """Take the deepest check that leaves enough to train, to compare and to report."""
    plan = known.planned
    assert plan is not None
    after = train_seconds(known) + reserve(known)
    wanted = LEVELS.index(plan.level) if plan.level in LEVELS else len(LEVELS) - 1
    options: list[Option] = []
    steps = min(plan.trial_steps, plan.steps)
    if wanted >= LEVELS.index("trial"):
        words = f"overfit a few examples, compare learning rates, and train {steps:,} steps of the run for a trial"
        options.append(_option(known, "trial", "trial", words, {}, after))
        if steps > SHORT:
            changes = {"check.trial_steps": SHORT, "check.trial_eval_steps": SHORT // 5}
            takes = check_seconds(known, "trial", SHORT)
            words = f"the same with a trial of {SHORT} steps"
            options.append(_option(known, "short trial", "trial", words, changes, after, takes))
    if wanted >= LEVELS.index("probe"):
        words = "pass a few batches through the real model, and train nothing"
        options.append(_option(known, "probe", "probe", words, {"check.level": "probe"}, after))
    options.append(_option(known, "static", "static", "read rows and settings alone", {"check.level": "static"}, after))
    options.append(give_up(known))
    chosen = first_open(*options)
    figures = {
        "steps": plan.steps,
        "run_seconds": round(plan.run_seconds, 1),
        "check_steps": plan.check_steps,
        "left": None if known.left is None else round(known.left, 1),
        "assumed": plan.assumed,
    }
    if chosen == "give up":
        reason = f"not even a static check leaves enough to train and to compare: {options[-2].barred}; "
        reason += aim(known, (options[-2].seconds or 0.0) + after)
    elif chosen == options[0].name:
        reason = "it is what the configuration asks for" + (
            "" if known.left is None else ", and it fits into the budget"
        )
    else:
        reason = f"it is the deepest that fits: {options[0].barred}"
    return Decision(tuple(options), chosen, reason, figures)


def _option(
    known: Known,
    name: str,
    level: str,
    words: str,
    changes: Mapping[str, Any],
    after: float,
    takes: float | None = None,
) -> Option:
    seconds = check_seconds(known, level) if takes is None else takes
    words = f"{words}; fix what can be fixed, and check again"
    values = {"level": level, "changes": dict(changes)}
    return Option(name, words, "clearance", "check", values, seconds, bar(known, seconds, after))
