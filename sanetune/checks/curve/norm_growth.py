"""The norm of the gradients or of the weights keeps growing.

## What it does
Compares the gradient norm at the end with that after warm-up, and the norm of the trained weights with their first
one, and checks whether it still grows.

## Why is this bad?
Growing weights leave the range in which 16-bit numbers are accurate; the loss often shows it too late.

## Example
```yaml
train:
  learning_rate: 1.0e-3
  max_grad_norm: 0          # no clipping
```

## Use instead
Clip the gradients (`train.max_grad_norm: 1.0`), or lower `train.learning_rate`.

```yaml
train:
  learning_rate: 2.0e-5
  max_grad_norm: 1.0
```

## Known problems
At a learning rate that is too high under clipping, weights often grow by less than the limits: a third of such trials
are named (docs/curves.md). curve-rate-beaten compares.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.checks.curve import _fixes as fixes
from sanetune.checks.curve._applies import fewer, needs_token_loss
from sanetune.curves.changes import last_step, peak_step
from sanetune.curves.robust import level, noise
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "sometimes"
LIVE = "whole"

LIMITS = {
    "gradient": Limit(5.0, "times that after warm-up; healthy logs have up to 1.8 (logs/wild)"),
    "weights_warn": Limit(3.0, "times, in the steps measured; on stories260k 1.0 at good ones, 1.2, 1.9, 3.8 at 10,"
                               " 30, 100 times the best; a LoRA adapter, which begins small, 1.3 to 2 at good ones"),
    "weights_fail": Limit(10.0, "times, whether it still grows or not; 24 at 1,000 times the best learning rate"),
    "sure": Limit(4.0, "standard errors of the gradient norm's level"),
    "late": Limit(0.1, "of the whole growth in the last quarter of the steps: it still goes on"),
}  # fmt: skip

FEWEST = 16
"""Gradient norms after warm-up from which a level can be told."""


def measure(curve: Curve) -> Measurement:
    needs_token_loss(curve)
    start = max(peak_step(curve), 0)
    norms = [
        math.log(point.grad_norm)
        for point in curve.points
        if point.step >= start
        and point.grad_norm is not None
        and math.isfinite(point.grad_norm)
        and point.grad_norm > 0
    ]
    weights = [(step, norm) for step, norm in curve.weight_norms if math.isfinite(norm)]
    if len(norms) < FEWEST and len(weights) < 3:
        raise fewer(len(norms), FEWEST, "gradient norm", more=" after warm-up")
    numbers: dict[str, Any] = {
        "norms": len(norms),
        "weights": len(weights),
        "steps": last_step(curve),
        "clipped_at": curve.max_grad_norm,
        "planned_rate": curve.planned_lr,
    }
    if len(norms) >= FEWEST:
        scatter, quarter = noise(norms), len(norms) // 4
        first, last = level(norms[:quarter], scatter), level(norms[-quarter:], scatter)
        numbers |= {
            "gradient_first": math.exp(first.value),
            "gradient_last": math.exp(last.value),
            "gradient_times": math.exp(min(last.value - first.value, 700)),
            "gradient_sure": (last.value - first.value) / max(math.hypot(first.std_error, last.std_error), 1e-9),
        }
    if len(weights) >= 3 and weights[0][1] > 0:
        late = next(norm for step, norm in reversed(weights) if step <= 0.75 * weights[-1][0])
        grown = weights[-1][1] - weights[0][1]
        numbers |= {
            "weights_first": weights[0][1],
            "weights_last": weights[-1][1],
            "weights_times": weights[-1][1] / weights[0][1],
            "weights_late": (weights[-1][1] - late) / grown if grown > 0 else 0.0,
        }
    return Measurement(numbers)


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    parts: list[str] = []
    grows = fails = False
    if "gradient_times" in n:
        parts.append(f"the gradient norm goes from {n['gradient_first']:.3g} to {n['gradient_last']:.3g}")
        grows |= n["gradient_times"] >= limits["gradient"] and n["gradient_sure"] >= limits["sure"]
    if "weights_times" in n:
        parts.append(f"the norm of the trained weights from {n['weights_first']:.4g} to {n['weights_last']:.4g}")
        grown = n["weights_late"] >= limits["late"]
        grows |= grown and n["weights_times"] >= limits["weights_warn"]
        fails |= n["weights_times"] >= limits["weights_fail"]
    message = f"{' and '.join(parts)} in {units.many(n['steps'], 'step')}"
    if not grows and not fails:
        return passed(message)
    clipped = n["clipped_at"] is None or 0 < n["clipped_at"] <= 1
    fix = fixes.lower_lr(n["planned_rate"], strongly=fails) if clipped else {"train.max_grad_norm": 1.0}
    return failed(message, fix=fix) if fails else warned(message, fix=fix)
