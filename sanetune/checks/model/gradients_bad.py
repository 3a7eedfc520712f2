"""Gradients are not finite, vanish in some layers, or point uphill.

## What it does
Computes the gradient norm of every trained tensor and of each layer over the first batches. Of a trainer with a loss
of its own, the gradient is also compared with that of the mean loss of its tokens.

## Why is this bad?
One NaN makes the whole step NaN, and a layer without gradient is not trained.

A loss with its sign turned makes the answers less likely with every step.

## Example
```yaml
train:
  fp16: true                # a model pre-trained in bf16
```

## Use instead
Train in bf16 or float32 (`train.fp16: false`), and check that the model's weights are finite.

```yaml
train:
  bf16: true
```
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.results import FirstStep

FIX = "none"
DEPENDS_ON = ("rows", "batches")

LIMITS = {"ratio": Limit(1e-5, "between healthy layers of one model norms differ by less than a thousand times")}

_LAYER = re.compile(r"\.(?:layers|h|blocks|layer)\.(\d+)\.")


def measure(first_step: FirstStep) -> Measurement:
    layers: dict[int, float] = defaultdict(float)
    bad: list[str] = []
    total = 0.0
    for name, update in first_step.updates.items():
        if update.squared_grad_norm is None:
            continue
        total += update.squared_grad_norm
        if not math.isfinite(update.squared_grad_norm):
            bad.append(name)
        elif found := _LAYER.search(name):
            layers[int(found[1])] += update.squared_grad_norm
    if math.isfinite(first_step.loss) and not bad and not first_step.has_gradients:
        raise NotApplicableError("no weight has a gradient: see model-nothing-trainable")
    norms = [math.sqrt(layers[number]) for number in sorted(layers)]
    numbers = {
        "loss": first_step.loss,
        "norm": math.sqrt(total) if math.isfinite(total) and total >= 0 else math.nan,
        "bad": len(bad),
        "names": bad[:5],
        "layers": [round(norm, 6) for norm in norms],
        "direction": first_step.direction,
        "climbs": first_step.climbs,
        "ratio": min(norms) / max(norms) if norms and max(norms) > 0 else 1.0,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    if n["bad"] or not math.isfinite(n["loss"]):
        names = f" ({', '.join(n['names'])})" if n["names"] else ""
        return failed(f"The gradient is not finite in {units.many(n['bad'], 'tensor')}{names}; loss {n['loss']}")
    if n["climbs"]:
        return failed(
            "The gradient of the trainer's own loss points against that of the mean loss of its tokens"
            f" (cosine {n['direction']:.2f}): each step makes them less likely",
            "Check the sign of what compute_loss returns: the negative log-likelihood is minimised.",
        )
    message = f"The gradient's norm is {n['norm']:.3g}; over {units.many(len(n['layers']), 'layer')} it differs"
    message += f" {1 / n['ratio']:.3g} times" if n["ratio"] else " without bound"
    return warned(message) if n["ratio"] < limits["ratio"] else passed(message)
