"""The learning rate is zero during the run.

## What it does
Finds logged learning rates that are exactly 0: all of them, at the start beyond the first steps, in the middle, or
long before the end. In a run that goes on, twenty steps at 0 in a row are a failure where a tenth of the run is left.

## Why is this bad?
A step at a learning rate of 0 changes nothing and costs as much as any other.

## Example
A schedule over fewer steps than the run has:

```yaml
train:
  lr_scheduler_type: cosine
  learning_rate: 0
```

## Use instead
Give `train.learning_rate` a value, or leave it out, and let the schedule cover all steps of the run.

```yaml
train:
  lr_scheduler_type: cosine
  learning_rate: 2.0e-5
```

## Known problems
The learning rate of the first group of weights is what a Trainer logs: another one at 0 does not show.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.curves.changes import complete, last_step
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"
LIVE = "whole"
VERSION = 2

LIMITS = {
    "fail": Limit(0.5, "half of the run changes nothing"),
    "warn": Limit(0.1, "schedules begin and end at 0 for a step or two; fp16's scaler holds back a few more"),
    "ends": Limit(2, "logged steps at 0 that a schedule may have at its start and, in a finished run, at its end"),
    "still": Limit(
        20,
        "steps at 0 in a row up to now, in a run that goes on: a schedule that starts again is at 0 for a step or two",
    ),
    "left": Limit(0.1, "of the run that is left then: less is not worth a stop"),
    "unexpected": Limit(2, "logged steps at 0 beyond those: a single one is what fp16's scaler does"),
}


def measure(curve: Curve, limits: Limits) -> Measurement:
    logged = [point.lr for point in curve.points if point.lr is not None and math.isfinite(point.lr)]
    if not logged:
        if curve.planned_lr is None or not math.isfinite(curve.planned_lr):
            raise NotApplicableError("no learning rate was logged")
        logged = [curve.planned_lr]
    runs = [(zero, len(list(some))) for zero, some in groupby(lr == 0 for lr in logged)]
    leading = runs[0][1] if runs[0][0] else 0
    trailing = runs[-1][1] if runs[-1][0] and len(runs) > 1 else 0
    zeros = sum(count for zero, count in runs if zero)
    ends = min(limits["ends"], leading) + (min(limits["ends"], trailing) if complete(curve) else 0)
    allowed = ends if len(runs) > 1 else 0
    return Measurement(
        {
            "rates": len(logged),
            "zeros": zeros,
            "leading": leading,
            "trailing": trailing,
            "unexpected": zeros - allowed,
            "share": (zeros - allowed) / len(logged),
            "left": curve.total_steps - last_step(curve) if curve.growing and curve.total_steps else 0,
            "steps": curve.total_steps or 0,
            "planned": curve.planned_lr,
            "highest": max(logged),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["zeros"] == n["rates"]:
        # One record can be the first step of a warm-up.
        if n["rates"] == 1 and n["planned"]:
            return passed("the only logged learning rate is 0, that of a first step")
        return failed(f"the learning rate is 0 in all of {units.many(n['rates'], 'logged step')}")
    where = f"{n['leading']:,} at the start, {n['trailing']:,} at the end"
    message = f"the learning rate is 0 in {n['zeros']:,} of {units.many(n['rates'], 'logged step')} ({where})"
    if n["trailing"] >= limits["still"] and n["left"] > limits["left"] * n["steps"]:
        return failed(f"{message}, and {units.many(n['left'], 'step')} are left")
    if n["unexpected"] >= limits["unexpected"] and n["share"] >= limits["warn"]:
        return failed(message) if n["share"] >= limits["fail"] else warned(message)
    return passed(f"{message}; the highest is {units.lr(n['highest'])}")
