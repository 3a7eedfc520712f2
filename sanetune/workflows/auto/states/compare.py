"""The comparison of base and tuned model, for which the budget has kept a reserve."""

from __future__ import annotations

from sanetune.workflows.auto.decision import Decision, Option
from sanetune.workflows.auto.forecasts import COMPARED, REPORT_SECONDS, bar, compare_seconds
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states.ways import reject


def decide(known: Known) -> Decision:
    """Compare; what was trained and cannot be compared is not promoted."""
    takes = compare_seconds(known)
    compare = Option(
        "compare",
        f"ask both models {COMPARED} held-out prompts, and measure all held-out rows",
        "judge" if known.agent else "verdict",
        "compare",
        {"count": COMPARED},
        takes,
        bar(known, takes, REPORT_SECONDS),
    )
    stop = reject(known)
    if compare.barred:
        return Decision((stop, compare), stop.name, f"it cannot be compared any more: {compare.barred}")
    return Decision((compare, stop), compare.name, "a model is there, and nothing is known of it yet")
