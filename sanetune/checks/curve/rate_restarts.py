"""The learning rate starts again inside the run.

## What it does
Finds places where the logged learning rate has fallen and then rises again by at least a fifth of its peak. A schedule
that starts again by design is left alone where it is known: `cosine_with_restarts`, and others of equal cosine cycles.

## Why is this bad?
A second warm-up moves the weights away from where the decay had brought them.

The losses of checkpoints before and after it cannot be compared.

## Example
A run that is resumed with another number of epochs, so that its schedule is stretched:

```yaml
train:
  num_train_epochs: 6       # 3 when it began
  lr_scheduler_type: cosine
```

## Use instead
Resume with the settings that the run began with, or start a new run from the saved model.

```yaml
train:
  num_train_epochs: 3
  lr_scheduler_type: cosine
```

## Known problems
Other schedules that start again by design are named too. Several runs whose logs were joined look the same.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.checks.curve._applies import fewer
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"
LIVE = "whole"
VERSION = 3

LIMITS = {
    "fallen": Limit(0.8, "of its last peak: below it, it has begun to fall"),
    "climb": Limit(0.2, "of the peak that it rises by; fp16's skipped steps and rounding move it by less"),
    "peak": Limit(0.98, "of the highest learning rate: there a warm-up is over"),
    "like": Limit(0.04, "of a cycle that the phase of a cosine may be off by; a straight fall is off by 0.08"),
    "straight": Limit(
        0.02, "of the highest learning rate, that those of straight falls differ by from a line: a cosine is off by 0.1"
    ),
    "by_design": Limit(0.9, "of the learning rates that are as those of equal cosine cycles: nobody resumes so evenly"),
}

FEWEST = 4
"""Logged learning rates in which a restart can be seen."""
SHOWN, FELL = 6, 0.8
"""Those of a fall by so much of the highest, which show whether it is straight."""


def measure(curve: Curve, limits: Limits) -> Measurement:
    logged = [(point.step, point.lr) for point in curve.points if point.lr is not None and math.isfinite(point.lr)]
    if len(logged) < FEWEST:
        raise fewer(len(logged), FEWEST, "learning rate", more=" logged")
    highest = max(lr for _, lr in logged)
    restarts: list[dict[str, float]] = []
    peak = (lowest := logged[0])[1]
    for step, lr in logged:
        # A warm-up begins at 0: nothing has fallen before it.
        if peak > 0 and lowest[1] <= limits["fallen"] * peak and lr - lowest[1] >= limits["climb"] * highest:
            restarts.append({"after": lowest[0], "from": lowest[1], "step": step, "to": lr})
            peak, lowest = lr, (step, lr)
        elif lr > peak:
            peak, lowest = lr, (step, lr)
        elif lr < lowest[1]:
            lowest = (step, lr)
    numbers = {"learning_rates": len(logged), "highest": highest, "restarts": restarts}
    return Measurement(numbers | {"of_cosines": _of_cosines(logged, [int(one["step"]) for one in restarts], limits)})


def _of_cosines(logged: Sequence[tuple[int, float]], restarts: Sequence[int], limits: Limits) -> float:
    """The share of the learning rates since their first peak that are those of equal cosine cycles down to 0, in which
    the phase is proportional to the steps; 0 without restarts."""
    highest = max(lr for _, lr in logged)
    if not restarts or highest <= 0:
        return 0.0
    peak = next(place for place, (_, lr) in enumerate(logged) if lr >= limits["peak"] * highest)
    steps = [step for step, _ in logged[peak:]]
    phases = [
        sum(one <= step for one in restarts) + math.acos(2 * min(1.0, max(0.0, lr / highest)) - 1) / math.pi
        for step, lr in logged[peak:]
    ]
    if len(set(steps)) < FEWEST:
        return 0.0
    if _straight(logged, restarts, limits["straight"] * highest):
        return 0.0
    line = statistics.linear_regression(steps, phases)
    even = (line.intercept + line.slope * step for step in steps)
    return statistics.fmean(abs(phase - one) <= limits["like"] for phase, one in zip(phases, even, strict=True))


def _straight(logged: Sequence[tuple[int, float]], restarts: Sequence[int], most: float) -> bool:
    """Whether all learning rates between restarts are on straight lines, but for ``most``."""
    edges = [-math.inf, *restarts, math.inf]
    whole = [[one for one in logged if low <= one[0] < high] for low, high in pairwise(edges)]
    # What is before the highest of them is a warm-up.
    parts = [part[max(range(len(part)), key=lambda i: part[i][1]) :] for part in whole if part]
    long = [part for part in parts if len({step for step, _ in part}) >= FEWEST]
    # A few records of a cosine's middle are on a line, too: one part has to come down most of the way.
    if not any(len(part) >= SHOWN and _fall(part) >= FELL * max(lr for _, lr in logged) for part in long):
        return False
    for part in long:
        steps, lrs = zip(*part, strict=True)
        line = statistics.linear_regression(steps, lrs)
        if any(abs(line.intercept + line.slope * step - lr) > most for step, lr in part):
            return False
    return True


def _fall(part: Sequence[tuple[int, float]]) -> float:
    return max(lr for _, lr in part) - min(lr for _, lr in part)


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    logged = units.many(n["learning_rates"], "logged learning rate")
    if not n["restarts"]:
        return passed(f"{logged} rise once at most, to {units.lr(n['highest'])}")
    first = n["restarts"][0]
    message = (
        f"the learning rate starts again {units.many(len(n['restarts']), 'time')}, first after step {first['after']:,}:"
        f" from {units.lr(first['from'])} to {units.lr(first['to'])}"
    )
    if n["of_cosines"] >= limits["by_design"]:
        return passed(f"{message}, in equal cosine cycles, as cosine_with_restarts plans them")
    return warned(message)
