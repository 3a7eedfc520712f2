"""The learning rate still rises when a quarter of the run is over.

## What it does
Finds where the logged learning rate reaches its highest value, and compares that with the steps of the whole run. A log
that does not say how many those are, and may go on, is not judged. Where no learning rate was logged, the trainer's
arguments say how long the warm-up is, if they are known.

## Why is this bad?
Most of the run is spent at learning rates below the one that was chosen, and little of the decay is left.

## Example
A warm-up that is longer than the run:

```yaml
train:
  max_steps: 500
  warmup_steps: 500
```

## Use instead
Warm up for 3 to 10 % of the steps (`train.warmup_steps`).

```yaml
train:
  max_steps: 500
  warmup_steps: 0.05
```

## Known problems
The end of a warm-up that is not a straight line from 0 is known to one interval of logging.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._applies import fewer, needs_log
from sanetune.curves.changes import complete, last_step
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "sometimes"
LIVE = "whole"
VERSION = 7

LIMITS = {
    "share": Limit(0.25, "of the steps; published recipes warm up for 3 to 10 %, and a healthy log for 20 (logs/wild)"),
    "begins": Limit(0.5, "of its peak, below which the first logged learning rate belongs to a warm-up"),
    "steps": Limit(
        10,
        "a run of fewer steps is a test; of one of ten, six of them warm-up, two readers want to be told"
        " (bench.curves.unseen)",
    ),
    "straight": Limit(0.02, "that the learning rate of each step may differ by on a straight line from 0"),
}

FEWEST, FEWEST_OF_KNOWN = 12, 2
"""Logged learning rates in which a warm-up can be seen, and of a run whose steps are known."""


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_log(curve)
    logged = [(point.step, point.lr) for point in curve.points if point.lr is not None and math.isfinite(point.lr)]
    fewest = FEWEST_OF_KNOWN if curve.total_steps else FEWEST
    if not logged and curve.warmup_steps is not None and curve.total_steps:
        return Measurement({"planned": curve.warmup_steps, "total_steps": curve.total_steps})
    if len(logged) < fewest:
        raise fewer(len(logged), fewest, "learning rate", more=" logged")
    highest = max(lr for _, lr in logged)
    at = next(i for i, (_, lr) in enumerate(logged) if lr >= highest)
    if not curve.total_steps and not complete(curve):
        raise NotApplicableError("the log does not say how long the run was to be")
    rising = all(after >= before for (_, before), (_, after) in pairwise(logged[: at + 1]))
    end = last_step(curve)
    return Measurement(
        {
            "first": logged[0][1],
            "highest": highest,
            "rising": rising and at > 0,
            "least_steps": _least_steps(logged[: at + 1], limits["straight"]),
            "peak_step": logged[at][0],
            "at_the_end": at == len(logged) - 1,
            "steps": end,
            "total_steps": max(end, curve.total_steps or 0),
        }
    )


def _least_steps(rising: Sequence[tuple[int, float]], straight: float) -> int:
    """The step that the warm-up lasts to at least. The peak may be anywhere after the record before the highest, unless
    both are on one straight line from 0: then it is not before the highest. Two alone show nothing without it."""
    if len(rising) < 2:
        return 0
    (before, low), (step, high) = rising[-2:]
    # Programs log the learning rate of this step or of the next one.
    on_line = low > 0 and any(
        abs(high / low * (before + late) / (step + late) - 1) <= straight for late in (0, 1, -1) if before + late > 0
    )
    return step if on_line else before if len(rising) > 2 else 0


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if "planned" in n:
        return _of_plan(n, limits)
    warms = n["rising"] and n["first"] <= limits["begins"] * n["highest"]
    if not warms:
        return passed(f"the learning rate begins at {units.lr(n['first'])} and is {units.lr(n['highest'])} at most")
    until = "to the end of the log, step" if n["at_the_end"] else "until step"
    message = f"the learning rate rises {until} {n['peak_step']:,} of {n['total_steps']:,}, to {units.lr(n['highest'])}"
    if n["total_steps"] >= limits["steps"] and n["least_steps"] > limits["share"] * n["total_steps"]:
        return warned(message, fix={"train.warmup_steps": 0.05})
    return passed(message)


def _of_plan(n: dict[str, Any], limits: Limits) -> Judgement:
    """By the arguments of a trainer, where no learning rate was logged."""
    message = f"a warm-up of {units.many(n['planned'], 'step')} was planned, in {n['total_steps']:,} steps"
    if n["total_steps"] >= limits["steps"] and n["planned"] > limits["share"] * n["total_steps"]:
        return warned(message, fix={"train.warmup_steps": 0.05})
    return passed(message)
