"""A loss or gradient norm is NaN or infinite.

## What it does
Counts losses and gradient norms that are NaN or infinite, in training and on validation rows, from which step on, and
whether they still are at the end. Trainers hide such losses by default (`logging_nan_inf_filter`), so gradient norms
that become NaN count as much. Where the gradient norms right before the first such loss are NaN, the first of them is
the step at fault: the loss shows it a step later.

## Why is this bad?
A step with a NaN teaches nothing at best; a weight that becomes NaN stays so, and all that is trained after it is
lost.

## Example
A bf16 model trained in float16, whose largest value is 65,504:

```yaml
train:
  fp16: true
```

## Use instead
Lower `train.learning_rate`, see labels-none, and train in bf16 or float32 where it was fp16.

```yaml
train:
  bf16: true
```

## Known problems
With fp16, a skipped step with a NaN gradient norm is the loss scaler at work and harmless. Such a step does not move
the learning rate either, and is not counted where the log shows that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._skipped import skipped_steps
from sanetune.curves.broken import guilty_step
from sanetune.curves.changes import is_number
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"
LIVE = "recent"
VERSION = 4

LIMITS = {
    "loss_share": Limit(0.02, "one lost batch in fifty; fp16's scaler skips one step in 2,000 in a healthy run"),
    "norms": Limit(2, "a single NaN gradient norm did no harm in real logs; fp16's scaler skips such a step"),
    "norm_share": Limit(0.01, "a real fp16 run that broke logged 2 of 60 (qlora-gallery)"),
    "norm_fail_share": Limit(0.5, "most of the last third: the losses beside them are hidden NaNs"),
}


def measure(curve: Curve) -> Measurement:
    losses = [(point.step, point.loss) for point in curve.points]
    evaluations = [(one.step, one.loss) for one in (*curve.validation, *curve.fixed_batch)]
    norms = [(point.step, point.grad_norm) for point in curve.points if point.grad_norm is not None]
    if not losses and not evaluations:
        raise NotApplicableError("no loss was logged")
    bad = [step for step, loss in losses if not is_number(loss)]
    bad_evaluations = sorted(step for step, loss in evaluations if not is_number(loss))
    skipped = skipped_steps(curve.points)
    bad_norms = [step for step, norm in norms if not math.isfinite(norm) and step not in skipped]
    first = min([*bad, *bad_evaluations], default=None)
    last_third = norms[-max(1, len(norms) // 3) :] if len(norms) >= 3 else []
    return Measurement(
        {
            "points": len(losses),
            "looks": len(curve.validation),
            "fixed": len(curve.fixed_batch),
            "norms": len(norms),
            "bad_losses": len(bad),
            "bad_looks": len(bad_evaluations),
            "bad_norms": len(bad_norms),
            "skipped_steps": len(skipped),
            "first_step": first,
            "guilty_step": None if first is None else guilty_step(curve.points, first, skipped),
            "first_norm_step": min(bad_norms, default=None),
            "at_the_end": bool(losses and not is_number(losses[-1][1])),
            "bad_norms_late": sum(step in bad_norms for step, _ in last_third) / max(1, len(last_third)),
        }
    )


def at(m: Measurement) -> int | None:
    """The step whose gradients made the first loss that is no number, or else the first gradient norm that is none."""
    guilty: int | None = m.numbers["guilty_step"]
    first_norm: int | None = m.numbers["first_norm_step"]
    return first_norm if guilty is None else guilty


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    points = units.many(n["points"], "training loss", "training losses")
    evaluations = f"{units.many(n['looks'], 'evaluation')} of validation rows"
    if n["fixed"]:
        evaluations += f" and {n['fixed']:,} of a fixed batch"
    if n["bad_looks"] or n["bad_losses"]:
        message = (
            f"{n['bad_losses']:,} of {points} and {n['bad_looks']:,} of {evaluations} are NaN or infinite, the first at"
            f" step {n['first_step']:,}"
        )
        if n["guilty_step"] < n["first_step"]:
            message += f", its gradient norms from step {n['guilty_step']:,} on"
        lasting = n["at_the_end"] or n["bad_losses"] > limits["loss_share"] * n["points"]
        return (
            failed(message)
            if n["bad_looks"] or lasting
            else warned(f"{message}; the losses after it are numbers again")
        )
    if n["bad_norms"]:
        message = (
            f"{n['bad_norms']:,} of {units.many(n['norms'], 'gradient norm')} are NaN or infinite, the first at step"
            f" {n['first_norm_step']:,}, though no logged loss is"
        )
        if n["bad_norms_late"] > limits["norm_fail_share"]:
            return failed(message)
        if n["bad_norms"] >= limits["norms"] and n["bad_norms"] > limits["norm_share"] * n["norms"]:
            return warned(message)
        return passed(f"{message}; so few do no harm")
    norms = units.many(n["norms"] - n["skipped_steps"], "gradient norm")
    skipped = f"; {units.many(n['skipped_steps'], 'step')} with a NaN gradient norm did not move the learning rate"
    note = f"{skipped}, as where fp16's scaler skips them" if n["skipped_steps"] else ""
    return passed(f"{points} and {evaluations} are numbers, and so are {norms}{note}")
