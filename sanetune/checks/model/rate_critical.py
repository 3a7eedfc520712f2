"""The planned learning rate exceeds the largest step that still lowers the loss.

## What it does
Finds the critical learning rate: after ten small steps, how far one can go along the optimizer's own direction before
the loss on the same batches rises (a line search of about ten forward passes).

## Why is this bad?
Steps beyond the critical learning rate destroy what the model knew. Under gradient clipping the run need not diverge;
it only learns less.

## Example
A learning rate multiplied for a larger batch, or copied from another size:

```yaml
train:
  learning_rate: 1.0e-2
```

## Use instead
Lower `train.learning_rate` to the proposed value, a quarter of the critical one.

```yaml
train:
  learning_rate: 1.0e-3
```

## References
- [arXiv:2601.16979](https://arxiv.org/abs/2601.16979)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings
    from sanetune.probes.results import CriticalLearningRate

FIX = "always"
FIX_PRIORITY = 10

LIMITS = {
    "warn": Limit(1.0, "the definition: beyond the critical learning rate a step raises the loss"),
    "fail": Limit(
        2.0,
        "on stories260k, whose critical learning rate is 3.7e-3, 3e-3 ends 0.12 nats above the best held-out"
        " loss, 1e-2 0.35, 3e-2 1.04",
    ),
    "safe": Limit(0.25, "there, a quarter of the critical learning rate is close to the best of a grid, 1e-3"),
}


def measure(critical_lr: CriticalLearningRate, run_settings: RunSettings) -> Measurement:
    planned, found = run_settings.steps.learning_rate, critical_lr
    if planned <= 0:
        raise NotApplicableError("the planned learning rate is zero: see model-update-lost")
    if found.lr is None:
        raise NotApplicableError("no learning rate in a wide range changes the direction of the loss")
    numbers = {
        "planned": planned,
        "critical": found.lr,
        "ratio": planned / found.lr,
        "best_single_step": found.best_lr,
        "start_loss": found.start_loss,
        "tried": [{"rate": lr, "loss": loss} for lr, loss in found.tried],
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    message = (
        f"The planned learning rate {units.lr(n['planned'])} is {n['ratio']:.2g} times the critical one,"
        f" {units.lr(n['critical'])}, beyond which a step raises the loss"
    )
    if n["ratio"] < limits["warn"]:
        return passed(message)
    fix = {"train.learning_rate": float(f"{limits['safe'] * n['critical']:.1e}")}
    return failed(message, fix=fix) if n["ratio"] >= limits["fail"] else warned(message, fix=fix)
