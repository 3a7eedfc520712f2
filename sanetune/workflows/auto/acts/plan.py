"""Plan the run and forecast it, before anything of it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Planned
from sanetune.workflows.auto.known import Known

if TYPE_CHECKING:
    from sanetune.forecast.ahead import Ahead
    from sanetune.planning.plan import Plan

SHORTEST = 0.2
"""Seconds of a step at the slow end where its FLOPs say nothing: some thousand operations on a busy processor."""
PER_TOKEN = 1 / 3
"""Of the time of training on a token, that of evaluating it: the forward pass alone."""


def plan(site: Site, known: Known, values: Mapping[str, Any]) -> Planned:
    """Plan the attempt ``values["attempt"]``.

    Raises:
        UserError: The configuration cannot work.
    """
    from sanetune.workflows.check_cost import check_steps
    from sanetune.workflows.plan import plan_ahead

    attempt = int(values.get("attempt", known.attempt))
    config = site.changed(known, {"run.output_dir": str(site.run(attempt).path)}, "")
    planned, ahead = plan_ahead(config, with_memory=False)  # the check measures it
    steps = planned.steps
    each = ahead.step_seconds.high if ahead.step_seconds else SHORTEST
    assumed = "from the FLOPs of a step" if ahead.step_seconds else "a step is too small for its FLOPs to say anything"
    return Planned(
        steps=steps.total_steps,
        epochs=round(steps.epochs, 4),
        effective=steps.effective,
        step_seconds=round(each, 4),
        run_seconds=round(each * (steps.total_steps + _evaluating(planned, ahead)), 2),
        check_steps=check_steps(config.check, steps.total_steps, steps.effective),
        trial_steps=config.check.trial_steps,
        level=config.check.level,
        lr=steps.learning_rate,
        assumed=assumed,
        by_steps=int(config.train.get("max_steps", -1)) > 0,
        config=site.text(),
    )


def _evaluating(planned: Plan, ahead: Ahead) -> float:
    """What all evaluations take, in optimizer steps."""
    from sanetune.forecast.time import count_evaluations

    data = planned.sizes.data
    rows = data.validation_examples
    share = rows / max(1, planned.steps.effective) * PER_TOKEN
    return count_evaluations(planned.steps, planned.config, rows) * share
