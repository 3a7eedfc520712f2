"""The first state: inspect the data."""

from __future__ import annotations

from sanetune.workflows.auto.decision import Decision, Option
from sanetune.workflows.auto.forecasts import inspect_again_seconds
from sanetune.workflows.auto.goal import unread
from sanetune.workflows.auto.known import Known


def decide(known: Known) -> Decision:
    """Inspect the rows; there is nothing else to do yet."""
    takes = inspect_again_seconds(known)
    inspection = Option(
        "inspect", "read every row and check it, without the model's weights", "clean", "inspect", seconds=takes
    )
    data = known.request.source or ", ".join(known.request.data)
    goal = unread(known.request.goal, known.agent)
    last = known.tried[-1] if known.tried else {}
    changed = ", ".join(f"{key}: {'null' if value is None else value}" for key, value in last.items())
    reason = f"{data} is read again, with {changed}" if changed else f"nothing is known of {data} yet"
    return Decision((inspection,), inspection.name, f"{reason}; {goal}" if goal else reason)
