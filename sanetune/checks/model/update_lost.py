"""Some weights do not change after an optimizer step.

## What it does
Takes one step of the run's own optimizer at its planned peak learning rate on the first batches, and computes the
share of the weights with a gradient that are bit for bit unchanged.

## Why is this bad?
Updates smaller than the spacing of the number format are rounded away, and the loss hardly falls.

## Example
```yaml
model:
  dtype: bfloat16
train:
  learning_rate: 1.0e-5
```

## Use instead
Set `model.dtype: float32` (`train.bf16` can stay: it is for computing), or raise the learning rate.

```yaml
model:
  dtype: float32
train:
  learning_rate: 1.0e-5
  bf16: true
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.results import FirstStep

FIX = "sometimes"

LIMITS = {
    "warn": Limit(0.1, "in float32 fewer than one weight in a hundred is left where it was"),
    "fail": Limit(0.5, "at 2e-5, 70 % of bf16 weights of the usual size do not move"),
}


def measure(first_step: FirstStep) -> Measurement:
    updates = first_step.updates
    pulled = sum(update.nonzero_grads for update in updates.values())
    moved = sum(update.changed for update in updates.values())
    still = [name for name, update in updates.items() if update.nonzero_grads and not update.changed]
    if not pulled:
        raise NotApplicableError("no weight has a gradient: see model-nothing-trainable")
    numbers = {
        "moved": moved,
        "pulled": pulled,
        "share": 1 - moved / pulled,
        "still": len(still),
        "names": still[:5],
        "rate": first_step.lr,
        "dtype": first_step.dtype,
        "float32": first_step.dtype == "float32",
        "outside": first_step.outside,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    message = (
        f"One step at {units.lr(n['rate'])} leaves {units.share(n['share'])} of {units.count(n['pulled'])} weights"
        f" with a gradient where they were ({n['dtype']})"
    )
    fix = {} if n["float32"] else {"model.dtype": "float32"}
    if n["outside"] and n["share"] > limits["warn"]:
        message += f"; the optimizer does not hold {units.count(n['outside'])} of the weights that are to be trained"
        remedy = "Build the optimizer from model.parameters() of the trainer's own model, once adapters are added."
        return failed(message, remedy) if n["share"] > limits["fail"] else warned(message, remedy)
    if n["share"] > limits["fail"]:
        return failed(message, fix=fix)
    return warned(message, fix=fix) if n["share"] > limits["warn"] else passed(message)
