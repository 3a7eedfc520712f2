"""A run goes over its rows many times, or learns them to near zero, and hardly anything measures other rows.

## What it does
Counts the evaluations of validation rows in a log that covers four epochs or more, or whose training loss ends below
0.1.

## Why is this bad?
The training loss falls in the same way while a model learns and while it memorises.

Only rows that are not trained on show the difference.

## Example
```yaml
data:
  holdout: 0
train:
  num_train_epochs: 20
```

## Use instead
Set rows aside (`data.holdout: 0.1`) and evaluate them several times in each epoch.

```yaml
data:
  holdout: 0.1
train:
  num_train_epochs: 3
  eval_strategy: steps
```

## Known problems
Evaluations that another program made, or that were logged elsewhere, are not seen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._applies import needs_log, needs_token_loss
from sanetune.checks.curve._medians import of_last
from sanetune.curves.changes import finite, last_step, learned_points
from sanetune.curves.robust import middle
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"

LIMITS = {
    "epochs": Limit(3.5, "published recipes for fine-tuning use one to three"),
    "near_zero": Limit(0.1, "nats at the end; both logs in logs/wild that end below it were trained 20 epochs or more"),
    "evaluations": Limit(2, "without two nothing can be seen to turn"),
    "each": Limit(4.0, "epochs for one evaluation at least: with fewer a turn is not seen before it has done its harm"),
    "steps": Limit(20, "a run of fewer steps is a test"),
}

LAST = 5
"""Training losses that the end is the median of."""


def measure(curve: Curve) -> Measurement:
    needs_token_loss(curve)
    needs_log(curve)
    points = learned_points(curve)
    if not points:
        raise NotApplicableError("no training loss was logged")
    epochs = [point.epoch for point in points if point.epoch is not None and math.isfinite(point.epoch)]
    of_steps = last_step(curve) / curve.steps_per_epoch if curve.steps_per_epoch else 0.0
    return Measurement(
        {
            "evaluations": len(finite(curve.validation)),
            "epochs": max([of_steps, *epochs]),
            "steps": last_step(curve),
            "end": middle([point.loss for point in points[-LAST:]]),
            "last": min(LAST, len(points)),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    over = f"{n['epochs']:.3g} epochs" if n["epochs"] else units.many(n["steps"], "step")
    counted = units.many(n["evaluations"], "evaluation") if n["evaluations"] else "no evaluation"
    message = (
        f"{counted} of validation rows in {over}; the training loss ends at {units.nats(n['end'])}{of_last(n['last'])}"
    )
    least = max(limits["evaluations"], n["epochs"] / limits["each"])
    memorised = n["epochs"] >= limits["epochs"] or n["end"] < limits["near_zero"]
    few = n["evaluations"] < least and n["steps"] >= limits["steps"]
    return warned(message) if memorised and few else passed(message)
