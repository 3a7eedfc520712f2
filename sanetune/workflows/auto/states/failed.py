"""What follows when an act could not be done: the value that its error names, or the end."""

from __future__ import annotations

from sanetune.workflows.auto.decision import Decision, Option, first_open
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states.ways import give_up

OPTIONAL = {"advise": "sweep", "judge": "verdict", "sweep": "train"}
"""State whose act may fail -> where to go on without it."""


def decide(known: Known) -> Decision:
    """Do it again with the value that fixes it, where one is known and was not tried; or end with the reason."""
    failed, state = known.failed, known.failed_in
    assert failed is not None
    fix = dict(failed.fix)
    barred = "no value is known that would fix it" if not fix else ""
    if fix and fix in known.tried:
        barred = "its value was tried before"
    if failed.spent:
        barred = "the budget is spent"
    settings = (f"{key} to {'null' if value is None else value}" for key, value in fix.items())
    words = f"set {', '.join(settings)}, and try again"
    act = "" if state == "inspect" else "change"
    again = Option("fix", words if fix else "try again", state, act, {"changes": fix, "tried": fix}, barred=barred)
    on = Option("go on", "go on without it", OPTIONAL.get(state, "report"))
    if state not in OPTIONAL or (known.checked and not known.checked.cleared):
        on = Option(on.name, on.words, on.then, barred="what follows needs it")
    stop = give_up(known)
    remedy = f" {failed.remedy}" if failed.remedy else ""
    return Decision((again, on, stop), first_open(again, on, stop), f"{failed.message.rstrip('.')}.{remedy}")
