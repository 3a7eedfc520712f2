"""The loss does not fall.

## What it does
Compares the validation loss at the end with that before the first step, row by row, beside the training loss. Without
validation rows it uses the training batches. A curve that has fallen and then stays is not a plateau (curve-stalled),
and neither is one whose learning rate still rises (curve-warmup-long).

## Why is this bad?
Every further step costs the same and changes nothing.

## Example
```yaml
train:
  learning_rate: 1.0e-8
```

## Use instead
See model-nothing-trainable and model-update-lost; then raise `train.learning_rate` tenfold and try again.

```yaml
train:
  learning_rate: 2.0e-5
```

## Known problems
A model that already knows the data cannot improve on it. It needs no more of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._applies import needs_token_loss, too_few
from sanetune.checks.curve._medians import of_last
from sanetune.curves.changes import halved, overall, peak_step, rises_throughout, training
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"

LIMITS = {
    "fail": Limit(0.005, "share that the held-out loss fell by; on stories260k an lr 1,000 times below the best"
                         " still gives 0.055 in 200 steps"),
    "warn": Limit(0.02, "flat: within 2 % from start to end (logs/wild)"),
    "sure": Limit(2.0, "standard errors: a fall of more than the limits must be ruled out"),
    "fell": Limit(0.1, "share: where only batches are known, they must rule out a larger fall in the first steps"),
    "fewest_steps": Limit(50, "after warm-up; fewer hardly move a model"),
    "training_sure": Limit(3.0, "standard errors from which on the training loss falls: then the model learns"),
}  # fmt: skip


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    change = overall(curve)
    if change is None:
        raise NotApplicableError(too_few(curve))
    if rises_throughout(curve):
        raise NotApplicableError("the learning rate rises through the whole log: this is its warm-up")
    steps = change.steps[1] - max(change.steps[0], peak_step(curve))
    trained = training(curve)
    halves = None if change.exact else halved(curve)
    return Measurement(
        {
            "source": change.source,
            "exact": change.exact,
            "start": change.before,
            "end": change.after,
            "last": change.last,
            "steps": steps,
            "fall": -change.relative,
            "error": change.std_error / change.before if change.before > 0 else 0.0,
            "training_fell": trained is not None and trained.t < -limits["training_sure"],
            "half_fall": None if halves is None else -halves.relative,
            "half_error": None if halves is None or halves.before <= 0 else halves.std_error / halves.before,
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    start, end = units.nats(n["start"]), units.nats(n["end"])
    message = f"by {n['source']} the loss goes from {start} to {end}{of_last(n['last'])},"
    message += f" {units.share(abs(n['fall']))} {'less' if n['fall'] >= 0 else 'more'}"
    if n["steps"] < limits["fewest_steps"]:
        if n["fall"] - limits["sure"] * n["error"] > limits["warn"]:
            return passed(message)
        raise NotApplicableError(f"{units.many(max(0, n['steps']), 'step')} after warm-up are too few to tell")
    if n["exact"]:
        most = n["fall"] + limits["sure"] * n["error"]
        if n["training_fell"] or n["fall"] < -limits["warn"] or most >= limits["warn"]:
            return passed(message)
        message = f"{message} after {n['steps']:,} steps"
        return failed(message) if most < limits["fail"] else warned(message)
    return warned(f"{message} after {n['steps']:,} steps") if _flat(n, limits) else passed(message)


def _flat(n: dict[str, Any], limits: Limits) -> bool:
    """By batches alone: the halves are alike, and neither did the loss fall before them."""
    if n["half_fall"] is None or n["half_error"] is None or n["half_error"] > limits["warn"]:
        return False
    may_have_fallen = n["fall"] + limits["sure"] * n["error"] >= limits["fell"]
    return abs(n["half_fall"]) < limits["warn"] and not may_have_fallen and not n["training_fell"]
