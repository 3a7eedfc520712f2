"""What each step would take, in seconds at the slow end, from what was measured so far, and whether it still fits."""

from __future__ import annotations

import math

from sanetune import units
from sanetune.workflows.auto.known import Known

START_SECONDS = 20.0
"""To load libraries and model, and to write what is found: 10 to 15 s on a busy laptop."""
STATIC_TIMES = 4.0
"""A static check reads the rows as often as the first inspection did, in each of several rounds of fixes."""
PROBE_STEPS = 60
"""Optimizer steps that the passes of level probe are worth, the search for the critical learning rate above all."""
ROUNDS = 2.0
"""Trials of a check, or readings of the rows, with a fix in between."""
SLOWER = 1.2
"""What was measured may be slower the next time."""
COMPARED = 32
"""Validation rows that base and tuned model are asked, as `sanetune compare` does."""
ANSWER_STEPS = 100
"""Optimizer steps that the answers of both models are worth, until they are measured."""
TRIALS = 5
"""Trials of a sweep: the prior, its neighbours, and two more."""
REPORT_SECONDS = 2.0


def step_seconds(known: Known) -> float:
    """Return the seconds of one optimizer step at the slow end."""
    measured = known.checked.step_seconds if known.checked else None
    return measured or (known.planned.step_seconds if known.planned else 0.0)


def inspect_again_seconds(known: Known) -> float | None:
    """Return the seconds of another reading of all rows; None: they were not read yet, and nothing says how long."""
    return None if known.inspected is None else ROUNDS * _inspect_seconds(known) * SLOWER


def copy_seconds(known: Known) -> float:
    """Return the seconds of a cleaned copy."""
    return 2 * _inspect_seconds(known)


def check_seconds(known: Known, level: str, trial_steps: int | None = None) -> float:
    """Return the seconds of a check with its fixes.

    Args:
        known: What is known.
        level: How deep it goes.
        trial_steps: Steps of its trial; None: those of the plan.
    """
    plan = known.planned
    found = START_SECONDS + STATIC_TIMES * _inspect_seconds(known)
    if level == "static" or plan is None:
        return found
    found += START_SECONDS + PROBE_STEPS * step_seconds(known)
    if level == "probe":
        return found
    steps = plan.check_steps
    if trial_steps is not None:
        steps -= max(0, min(plan.trial_steps, plan.steps) - trial_steps)
    return found + ROUNDS * (steps + ANSWER_STEPS) * step_seconds(known)


def sweep_seconds(known: Known) -> float:
    """Return the seconds of a sweep of the learning rate, and of the check that has to follow it.

    It measures the critical learning rate anew. Where the check has timed no steps, its own seconds bound one of them:
    the FLOPs of a small model say far too little.
    """
    plan, checked = known.planned, known.checked
    steps = min(plan.trial_steps, plan.steps) if plan else 0
    again = (checked.seconds if checked else 0.0) * SLOWER
    each = step_seconds(known)
    if checked is not None and checked.step_seconds is None and checked.level != "static":
        each = max(each, checked.seconds / PROBE_STEPS)
    return START_SECONDS + (TRIALS * steps * 1.5 + PROBE_STEPS) * each * SLOWER + again


def train_seconds(known: Known, times: float = 1.0) -> float:
    """Return the seconds of the run, or of what is left of it, with the answers before and after it.

    Args:
        known: What is known.
        times: How many times as long the run is to be.
    """
    return (
        _run_seconds(known) * times * _left_of_run(known) * SLOWER
        + START_SECONDS
        + _inspect_seconds(known)
        + 2 * _answers(known)
    )


def compare_seconds(known: Known) -> float:
    """Return the seconds of the comparison of base and tuned model."""
    return START_SECONDS + 2 * _inspect_seconds(known) + 3 * _answers(known)


def reserve(known: Known) -> float:
    """Return the seconds that are kept for comparison and report, so that what was trained is judged."""
    if known.compared is not None:
        return REPORT_SECONDS
    return compare_seconds(known) + REPORT_SECONDS


def bar(known: Known, seconds: float, after: float | None = None) -> str:
    """Say why a step of so many seconds does not fit into what is left; "" where it does.

    Args:
        known: What is known.
        seconds: Of the step, at the slow end.
        after: Seconds that have to be left behind it; None: those of :func:`reserve`.
    """
    if known.left is None:
        return ""
    kept = reserve(known) if after is None else after
    if seconds + kept <= known.left:
        return ""
    return (
        f"it takes up to {units.seconds(seconds)}, and {units.seconds(max(0.0, known.left))} of the budget are left, "
        f"of which {units.seconds(kept)} are kept for what has to follow"
    )


def aim(known: Known, seconds: float) -> str:
    """Say which budget would be enough for ``seconds`` more, in whole minutes.

    Args:
        known: What is known.
        seconds: Of all that has to follow, at the slow end.
    """
    whole = known.spent + seconds
    price = known.usd_per_hour
    if known.request.budget.usd is not None and price:
        return f"aim for --budget '${math.ceil(whole / 3600 * price * 100) / 100:.2f}'"
    return f"aim for --budget {math.ceil(whole / 60)}m"


def run_steps(known: Known) -> int:
    """Return the optimizer steps of the run."""
    checked = known.checked.steps if known.checked else 0
    return checked or (known.planned.steps if known.planned else 0)


def _run_seconds(known: Known) -> float:
    """As it was measured; of a run of another length, in proportion to its measured steps."""
    plan, checked = known.planned, known.checked
    if checked is not None and checked.run_seconds is not None and (plan is None or checked.steps == plan.steps):
        return checked.run_seconds
    if plan is None:
        return 0.0
    return plan.run_seconds * (step_seconds(known) / plan.step_seconds if plan.step_seconds else 1.0)


def _left_of_run(known: Known) -> float:
    """The part of the run that no checkpoint has yet, from 0 to 1."""
    steps = run_steps(known)
    return max(0.0, 1 - known.done / steps) if steps else 1.0


def _inspect_seconds(known: Known) -> float:
    return known.inspected.seconds if known.inspected else 0.0


def _answers(known: Known) -> float:
    measured = known.checked.answer_seconds if known.checked else 0.0
    return measured * SLOWER if measured else ANSWER_STEPS * step_seconds(known)
