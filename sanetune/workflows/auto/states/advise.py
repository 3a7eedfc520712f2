"""Whether the adviser is asked: once for each attempt, where there is one."""

from __future__ import annotations

from sanetune.workflows.auto.decision import Decision, Option, first_open
from sanetune.workflows.auto.forecasts import SLOWER, bar, check_seconds, reserve, train_seconds
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states.ways import give_up

ASKING_SECONDS = 60.0
"""Seconds that an endpoint may take to answer."""


def decide(known: Known) -> Decision:
    """Ask where a check of what it proposes still fits."""
    checked = known.checked
    assert checked is not None
    cleared = checked.verdict != "fail" and checked.cleared
    takes = ASKING_SECONDS + (checked.seconds * SLOWER or check_seconds(known, checked.level))
    barred = bar(known, takes, train_seconds(known) + reserve(known))
    if known.advised is not None:
        barred = "it was asked already"
    ask = Option(
        "ask",
        "send findings and a few rows to the adviser; what it proposes has to pass the gate",
        "clearance" if not cleared else "sweep",
        "advise",
        seconds=takes,
        barred=barred,
    )
    on = Option("skip", "go on without advice", "sweep") if cleared else give_up(known)
    chosen = first_open(ask, on)
    reason = "an adviser is configured, and what it proposes costs a check" if chosen == ask.name else ask.barred
    return Decision((ask, on), chosen, reason, {"cleared": cleared})
