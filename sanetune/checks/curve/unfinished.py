"""The loss is still falling fast at the end of the run.

## What it does
Measures the fall of the loss in the last eighth of a finished run, on validation rows if there are enough
evaluations, else by the trend of the training loss. The beginning of a longer run is not judged.

## Why is this bad?
The next steps would have been the cheapest part of the training.

## Example
```yaml
train:
  max_steps: 100            # 0.2 epochs
  lr_scheduler_type: constant
```

## Use instead
Train for more epochs (`train.num_train_epochs`), or raise `train.learning_rate`.

```yaml
train:
  num_train_epochs: 2
  lr_scheduler_type: cosine
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.curves.changes import HELD_OUT, TRAINING, between, complete, finite, last_step, points_of, scatter_of
from sanetune.curves.paired import t_statistic
from sanetune.curves.robust import level, noise, slope
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"

LIMITS = {
    "held": Limit(0.05, "of the held-out loss in the last eighth: more than most choices of a learning rate are worth"),
    "training": Limit(0.15, "undertrained: the last eighth still falls by more than 15 % (logs/wild)"),
    "sure": Limit(3.0, "standard errors"),
    "jump": Limit(
        0.01, "of the loss: least standard deviation of an evaluation whose single rows are not known (curve-overfit)"
    ),
}

FEWEST = 16
"""Training losses from which a trend can be told."""


def measure(curve: Curve, limits: Limits) -> Measurement:
    if not complete(curve):
        raise NotApplicableError("these are the first steps of a longer run")
    evaluations, end = finite(curve.validation), max(1, last_step(curve))
    late = [one for one in evaluations if one.step >= 0.5 * end]
    if len(late) >= 2:
        scatter = max(scatter_of(evaluations), limits["jump"] * late[-1].loss)
        change = between(late[-2], late[-1], HELD_OUT, scatter)
        share = (change.steps[1] - change.steps[0]) / end
        scale = min(1.0, 0.125 / share) if share > 0 else 0.0
        fall = -change.relative * scale
        return Measurement({"source": HELD_OUT, "fall": fall, "sure": -change.t, "end": change.after, "end_step": end})
    points = points_of(curve)
    if len(points) < FEWEST:
        raise NotApplicableError(f"fewer than {FEWEST} training losses, and than two evaluations in the last half")
    tail = points[-max(8, len(points) // 4) :]
    losses = [point.loss for point in tail]
    per_step, error = slope([point.step for point in tail], losses)
    now = level(losses[-max(3, len(tail) // 4) :], noise(losses)).value
    fall = -per_step * end / 8 / now if now > 0 else 0.0
    sure = t_statistic(-per_step, error)
    return Measurement({"source": TRAINING, "fall": fall, "sure": sure, "end": now, "end_step": end})


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    way = "falls" if n["fall"] >= 0 else "rises"
    message = (
        f"by {n['source']} the loss {way} by {units.share(abs(n['fall']))} in the last"
        f" eighth of {n['end_step']:,} steps, to {n['end']:.3f}"
    )
    limit = limits["held" if n["source"] == HELD_OUT else "training"]
    return warned(message) if n["fall"] >= limit and n["sure"] >= limits["sure"] else passed(message)
