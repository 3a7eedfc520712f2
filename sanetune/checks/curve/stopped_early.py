"""Training has returned long before its last planned step.

## What it does
Compares the last logged step with the planned ones (`max_steps`) where the log shows that training has returned: a
trainer writes its total time then, in an entry without a loss. A checkpoint of a run that may have gone on is not
judged, nor is a run that sanetune's watch has ended.

## Why is this bad?
The schedule's decay, which most of the last improvement comes from, was not reached.

## Example
An early stop at the first worse evaluation:

```yaml
train:
  num_train_epochs: 10
  lr_scheduler_type: cosine
```

## Use instead
Plan as many steps as are to be made, so that the learning rate comes down within them.

```yaml
train:
  num_train_epochs: 3
  lr_scheduler_type: cosine
```

## Known problems
Early stopping does this by design; curve-overfit and curve-best-earlier say whether it was right.
"""

from __future__ import annotations

import math
import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._applies import needs_log
from sanetune.curves.changes import last_step
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"
VERSION = 2

LIMITS = {"share": Limit(0.95, "of the planned steps; the last of them may not be logged")}


def measure(curve: Curve) -> Measurement:
    needs_log(curve)
    if not curve.points:
        raise NotApplicableError("no training loss was logged")
    if not curve.total_steps:
        raise NotApplicableError("the planned steps are not known")
    steps = [point.step for point in curve.points]
    lrs = [point.lr for point in curve.points if point.lr is not None and math.isfinite(point.lr)]
    return Measurement(
        {
            "steps": last_step(curve),
            "total_steps": curve.total_steps,
            "interval": statistics.median([after - before for before, after in pairwise(steps)] or steps),
            "ended": curve.ended,
            "ended_by": curve.ended_by,
            "lr_left": lrs[-1] / max(lrs) if lrs and max(lrs) > 0 else None,
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    message = f"the log ends at step {n['steps']:,} of {n['total_steps']:,}"
    reached = n["steps"] + n["interval"] >= limits["share"] * n["total_steps"]
    if reached:
        return passed(message)
    if not n["ended"]:
        return passed(f"{message}; whether training went on is not in it")
    left = f", the learning rate at {units.share(n['lr_left'])} of its peak" if n["lr_left"] is not None else ""
    message = f"training returned at step {n['steps']:,} of {n['total_steps']:,} planned ones{left}"
    return passed(f"{message}; {n['ended_by']} ended it") if n["ended_by"] else warned(message)
