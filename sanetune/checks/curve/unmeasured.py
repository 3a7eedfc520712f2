"""A run goes over its rows many times, or learns them to near zero, and hardly anything measures other rows.

## What it does
Counts the evaluations of validation rows in a log that covers 3.5 epochs or more, or whose training loss ends below
0.1. Where the last of three or more is the lowest, no turn was missed, and they are enough. The export of a single
chart shows no evaluations, and is not judged.

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
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._applies import needs_log, needs_token_loss
from sanetune.checks.curve._medians import of_last
from sanetune.curves.changes import finite, last_step, points_of
from sanetune.curves.robust import middle
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve, Point

FIX = "none"
VERSION = 4

LIMITS = {
    "epochs": Limit(3.5, "published recipes for fine-tuning use one to three"),
    "near_zero": Limit(0.1, "nats at the end; both logs in logs/wild that end below it were trained 20 epochs or more"),
    "evaluations": Limit(2, "without two nothing can be seen to turn"),
    "each": Limit(4.0, "epochs for one evaluation at least: with fewer a turn is not seen before it has done its harm"),
    "of_records": Limit(
        0.5, "evaluations for each training record, with which a course is known as well as training's"
    ),
    "steps": Limit(20, "a run of fewer steps is a test"),
    "steps_of_many": Limit(
        10, "the same of so many epochs: two public runs of ten steps that memorise their rows (bench.curves.unseen)"
    ),
}

PART = 10
"""Times the distance between two records, from which on a first record is not that of a whole log."""
LAST, SHARE = 5, 4
"""Training losses that the end is the median of: so many, and no more than a quarter of all."""


def measure(curve: Curve) -> Measurement:
    needs_token_loss(curve)
    needs_log(curve)
    points, evaluations = points_of(curve), finite(curve.validation)
    if not points:
        raise NotApplicableError("no training loss was logged")
    if curve.one_of_several:
        raise NotApplicableError(
            "the file has the training loss alone: evaluations may be in the export of another chart"
        )
    last = max(1, min(LAST, len(points) // SHARE))
    epochs = [point.epoch for point in points if point.epoch is not None and math.isfinite(point.epoch)]
    of_steps = last_step(curve) / curve.steps_per_epoch if curve.steps_per_epoch else 0.0
    return Measurement(
        {
            "evaluations": len(evaluations),
            "records": len(points),
            "lowest_at_end": bool(evaluations) and evaluations[-1].loss == min(one.loss for one in evaluations),
            "epochs": max([of_steps, *epochs]) - _before_the_log(points),
            "steps": last_step(curve),
            "end": middle([point.loss for point in points[-last:]]),
            "zeros": all(point.loss == 0 for point in points[-last:]),
            "last": last,
        }
    )


def _before_the_log(points: Sequence[Point]) -> float:
    """Epochs before the first record of a log that is the later part of a run: what was measured in them is not in it.
    A log of a whole run begins with its first steps."""
    first = points[0]
    gap = middle([after.step - before.step for before, after in pairwise(points)]) if points[1:] else first.step
    return float(first.epoch) if first.epoch and math.isfinite(first.epoch) and first.step > PART * gap else 0.0


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    epochs = f"{n['epochs']:.3g}"
    over = f"{epochs} epoch{'' if epochs == '1' else 's'}" if n["epochs"] else units.many(n["steps"], "step")
    counted = units.many(n["evaluations"], "evaluation") if n["evaluations"] else "no evaluation"
    message = (
        f"{counted} of validation rows in {over}; the training loss ends at {units.nats(n['end'])}{of_last(n['last'])}"
    )
    least = max(limits["evaluations"], n["epochs"] / limits["each"])
    # A loss of exactly 0 throughout is no level that was learned (curve-zero-loss), one that rounds to it is.
    memorised = n["epochs"] >= limits["epochs"] or (abs(n["end"]) < limits["near_zero"] and not n["zeros"])
    # Where the last of several is the lowest, no turn can have been missed.
    falls = n["evaluations"] > limits["evaluations"] and n["lowest_at_end"]
    enough = limits["steps" if n["epochs"] < limits["epochs"] else "steps_of_many"]
    as_often = n["evaluations"] > limits["evaluations"] and n["evaluations"] >= limits["of_records"] * n["records"]
    few = n["evaluations"] < least and n["steps"] >= enough and not falls and not as_often
    return warned(message) if memorised and few else passed(message)
