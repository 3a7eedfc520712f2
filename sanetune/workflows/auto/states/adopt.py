"""Whether the best trial of a sweep is adopted: only what the rows tell apart from the plan, and the gate clears."""

from __future__ import annotations

from sanetune.workflows.auto.decision import Decision, Option
from sanetune.workflows.auto.forecasts import SLOWER, bar, reserve, train_seconds
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states.ways import planned_lr


def decide(known: Known) -> Decision:
    """Adopt what is better than the plan, and have it checked."""
    swept, checked = known.swept, known.checked
    assert swept is not None and checked is not None
    takes = checked.seconds * SLOWER
    barred = "" if swept.better else swept.reason
    adopt = Option(
        "adopt",
        f"change {', '.join(f'{key} to {value}' for key, value in swept.best.items()) or 'nothing'}, and check again",
        "plan",
        "change",
        {"changes": dict(swept.best), "cleared_with": planned_lr(known)},
        takes,
        barred or bar(known, takes, train_seconds(known) + reserve(known)),
    )
    keep = Option("keep", "train with what was checked", "train")
    figures = {"best": swept.best, "trials": swept.trials, "verdict": swept.verdict}
    if adopt.barred:
        return Decision((keep, adopt), keep.name, adopt.barred, figures)
    return Decision((adopt, keep), adopt.name, swept.reason, figures)
