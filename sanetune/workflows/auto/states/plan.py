"""Whether there is enough to plan a run of."""

from __future__ import annotations

from sanetune import units
from sanetune.workflows.auto.decision import Decision, Option
from sanetune.workflows.auto.known import HELD_OUT, INSTEAD, Known
from sanetune.workflows.auto.states.ways import FEWEST, give_up


def decide(known: Known) -> Decision:
    """Plan, unless hardly a row is left, or none is held out."""
    read = known.copied or known.inspected
    rows, held_out = (read.rows, read.validation) if read else (0, 0)
    barred = ""
    if rows < FEWEST:
        barred = f"{units.many(rows, 'training row')} are left, and {FEWEST} are the fewest"
    elif not held_out:
        barred = "no row is held out, and without one no model can be shown to be better: "
        tried = any(one in known.tried for one in (HELD_OUT, INSTEAD))
        barred += "of a tenth of the rows none was left" if tried else "set data.holdout=0.1"
    plan = Option(
        "plan",
        "work out steps, and forecast the run before anything of it is measured",
        "check",
        "plan",
        with_={"attempt": known.attempt},
        barred=barred,
    )
    figures = {"rows": rows, "held_out": held_out}
    if plan.barred:
        return Decision((give_up(known), plan), "give up", plan.barred, figures)
    return Decision((plan, give_up(known)), plan.name, units.many(rows, "training row"), figures)
