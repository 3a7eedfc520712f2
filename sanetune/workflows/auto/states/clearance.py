"""What follows from the check: a run that failed is not trained, whatever the budget."""

from __future__ import annotations

from sanetune import units
from sanetune.workflows.auto.decision import Decision, Option, first_open
from sanetune.workflows.auto.facts import Found
from sanetune.workflows.auto.forecasts import SLOWER, bar, reserve, train_seconds
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states.ways import give_up

SHOWN = 3
"""Findings that a reason names."""


def decide(known: Known) -> Decision:
    """Go on with a clearance; without one ask the adviser, where there is one, or give up."""
    checked = known.checked
    assert checked is not None
    bad = [one for one in checked.found if one.verdict in ("fail", "crash")]
    warnings = [one.check for one in checked.found if one.verdict == "warn"]
    figures = {
        "verdict": checked.verdict,
        "level": checked.level,
        "changes": checked.changes,
        "failed": [one.check for one in bad],
        "warned": warnings,
    }
    stop = give_up(known)
    if checked.verdict != "fail" and checked.cleared:
        on = Option("go on", "the gate has cleared the run", "advise" if known.agent else "sweep")
        warned = ""
        if warnings:
            named = ", ".join([*warnings[:SHOWN], *(["…"] if len(warnings) > SHOWN else [])])
            warned = f" with {units.many(len(warnings), 'warning')}: {named}"
        return Decision((on, stop), on.name, f"cleared at level {checked.level}{warned}", figures)
    ask = Option(
        "ask the adviser",
        "let it propose a change, which has to pass the gate",
        "advise",
        barred="" if known.agent else "there is no adviser (agent.base_url)",
    )
    if known.agent and known.advised is not None:
        ask = Option(ask.name, ask.words, ask.then, barred="it was asked already")
    back = _back(known)
    named = "; ".join(f"{one.check}: {one.message.rstrip('.')}{_do(one)}" for one in bad[:SHOWN])
    reason = checked.unusable or named or checked.note or "the gate has not cleared the run"
    return Decision((back, ask, stop), first_open(back, ask, stop), f"the gate refuses this run: {reason}", figures)


def _back(known: Known) -> Option:
    """Take back what a sweep chose, since the gate had cleared the run before."""
    changes, takes = known.cleared_with, (known.checked.seconds if known.checked else 0.0) * SLOWER
    barred = "" if changes else "nothing was adopted that could be taken back"
    if changes in known.tried:
        barred = "this was tried before"
    return Option(
        "go back",
        "take back what the sweep chose, and check again: the gate had cleared the run without it",
        "plan",
        "change",
        {"changes": dict(changes), "tried": dict(changes)},
        takes,
        barred or bar(known, takes, train_seconds(known) + reserve(known)),
    )


def _do(found: Found) -> str:
    return f". Do: {found.do.rstrip('.')}" if found.do else ""
