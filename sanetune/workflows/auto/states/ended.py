"""What follows when training has ended: go on, roll back to another attempt, or stop."""

from __future__ import annotations

from sanetune.workflows.auto.decision import Decision, Option, first_open
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states.ways import give_up, lower_lr, retry

COURSES = {
    "finished": "it has made all its steps",
    "turned": "the validation loss turned, and the best checkpoint has become the model",
}


def decide(known: Known) -> Decision:
    """Compare a model that is there; after a stop begin again with what the watch has found changed."""
    trained = known.trained
    assert trained is not None
    figures = {"ended": trained.ended, "step": trained.step, "steps": trained.steps, "checks": list(trained.checks)}
    if trained.ended in COURSES:
        on = Option("go on", "compare it with its base", "compare")
        return Decision((on, give_up(known)), on.name, COURSES[trained.ended], figures)
    again = retry(
        known,
        {} if trained.ended == "refused" else trained.change or lower_lr(known),
        "roll back: begin again from the base, with what the watch has found changed",
    )
    stop = give_up(known)
    chosen = first_open(again, stop)
    reason = trained.reason if chosen == again.name else f"{trained.reason}; no other attempt: {again.barred}"
    return Decision((again, stop), chosen, reason, figures)
