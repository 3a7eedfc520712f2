"""Whether there is enough to plan a run of."""

from __future__ import annotations

from sanetune import units
from sanetune.workflows.auto.decision import Decision, Option
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states.ways import give_up

FEWEST = 10
"""Training rows below which nothing can be shown about a model."""


def decide(known: Known) -> Decision:
    """Plan, unless hardly a row is left."""
    rows = known.copied.rows if known.copied else known.inspected.rows if known.inspected else 0
    plan = Option(
        "plan",
        "work out steps, and forecast the run before anything of it is measured",
        "check",
        "plan",
        with_={"attempt": known.attempt},
        barred="" if rows >= FEWEST else f"{units.many(rows, 'training row')} are left, and {FEWEST} are the fewest",
    )
    if plan.barred:
        return Decision((give_up(known), plan), "give up", plan.barred, {"rows": rows})
    return Decision((plan, give_up(known)), plan.name, f"{units.many(rows, 'training row')}", {"rows": rows})
