"""The effective batch does not fit the data: it exceeds the data set, or a few rows fill the last step of an epoch.

## What it does
Compares the effective batch with the number of training examples (packs, if packing is on), and the share of rows in
the last step of an epoch with the share of that step among all steps.

## Why is this bad?
A nearly empty last step moves the weights as far as a full one, so a few rows get the weight of a whole batch.

If the batch exceeds the data, an epoch is one step, and more devices or accumulation change nothing.

## Example
A batch taken from a recipe for 50,000 rows, on a file of 300:

```yaml
train:
  per_device_train_batch_size: 16
  gradient_accumulation_steps: 32   # effective batch 512
```

## Use instead
Lower `gradient_accumulation_steps` or `per_device_train_batch_size` so that an epoch has many steps.

```yaml
train:
  per_device_train_batch_size: 16
  gradient_accumulation_steps: 1    # 19 steps per epoch
```

## Known problems
From about 20 steps per epoch on, an uneven last step is normal and is not reported.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned
from sanetune.planning.steps import EXCESS, FULL_ENOUGH, unevenness

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings

FIX = "sometimes"

LIMITS = {
    "share": Limit(FULL_ENOUGH, "a last step of a quarter of a batch or more has at most twice the others' noise"),
    "excess": Limit(
        EXCESS,
        "how much larger the last step's share of all steps may be than its share of the rows; from 20 steps per epoch"
        " on nothing exceeds it, and odd remainders are the rule there",
    ),
}


def measure(run_settings: RunSettings) -> Measurement:
    """Measure how full the last step of an epoch is.

    ``last_share``: share of a batch in it; ``excess``: its share of the steps less its share of the rows;
    ``better``: an accumulation near the given one that divides the rows more evenly.
    """
    steps, data = run_settings.steps, run_settings.data
    if data.train_examples <= 0 or steps.effective <= 0:
        raise NotApplicableError("the number of examples is not known")
    at_once = max(1, steps.effective // max(1, steps.accumulation))
    units = _units(run_settings, at_once)
    last = _last(run_settings, units, at_once)
    share, excess = unevenness(units, steps.effective, last)
    return Measurement(
        {
            "units": units,
            "effective": steps.effective,
            "per_device": steps.per_device,
            "accumulation": steps.accumulation,
            "devices": run_settings.machine.devices,
            "steps_per_epoch": steps.steps_per_epoch,
            "epochs": steps.epochs,
            "last_step_units": last,
            "last_share": share,
            "excess": excess,
            "packing": data.packing,
            "reached": steps.total_steps >= steps.steps_per_epoch,
            "loss_reduction": data.loss_reduction,
            "better": _better(units, at_once, steps.accumulation, excess),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Larger than the data: fail. A last step that weighs too much: warn."""
    n = m.numbers
    unit = "packs" if n["packing"] else "examples"
    if n["effective"] > n["units"]:
        equation = f"{n['per_device']} x {n['accumulation']} x {n['devices']} = {n['effective']:,}"
        message = f"The effective batch ({equation}) is larger than the data: {n['units']:,} {unit}."
        return failed(message, fix=_smaller(n))
    uneven = n["last_share"] < limits["share"] and n["excess"] > limits["excess"]
    if uneven and n["reached"] and n["loss_reduction"] == "mean":
        return warned(
            f"The last of {n['steps_per_epoch']:,} steps per epoch has {n['last_step_units']:,} of"
            f" {n['effective']:,} {unit} ({units.share(n['last_share'])} of a batch), so each weighs"
            f" {1 / n['last_share']:.0f} times as much as one in the other steps.",
            fix={"train.gradient_accumulation_steps": n["better"]} if n["better"] else {},
        )
    return passed(
        f"{n['units']:,} {unit} in batches of {n['effective']:,}: {n['steps_per_epoch']:,} steps per epoch,"
        f" the last {units.share(n['last_share'])} full."
    )


def _units(run_settings: RunSettings, at_once: int) -> int:
    """Examples, or packs, whose number is only known from the batches that they fill."""
    steps, data = run_settings.steps, run_settings.data
    if not data.packing:
        return data.train_examples
    full = max(0, steps.steps_per_epoch - 1) * steps.accumulation
    return (full + (steps.last_step_batches or steps.accumulation)) * at_once


def _last(run_settings: RunSettings, units: int, at_once: int) -> int:
    """Examples or packs in the last step of an epoch; fewer than the remainder where incomplete batches are dropped."""
    steps = run_settings.steps
    rest = units - (math.ceil(units / steps.effective) - 1) * steps.effective
    return min(steps.last_step_batches * at_once, rest) if steps.last_step_batches else rest


def _better(examples: int, at_once: int, accumulation: int, excess: float) -> int | None:
    """The accumulation nearest to the given one, from half to twice of it, that at least halves the excess."""
    for other in sorted(range(max(1, accumulation // 2), 2 * accumulation + 1), key=lambda k: abs(k - accumulation)):
        effective = other * at_once
        if other != accumulation and effective <= examples and unevenness(examples, effective)[1] <= excess / 2:
            return other
    return None


def _smaller(n: dict[str, Any]) -> dict[str, Any]:
    """Batch sizes with about as many steps as the inferred default has, and at least ten per epoch."""
    from sanetune.planning.defaults import BATCHES, MIN_STEPS

    at_once = n["per_device"] * n["devices"]
    inferred = max(BATCHES[0], int(n["units"] * n["epochs"] / MIN_STEPS))
    target = max(1, min(inferred, n["units"] // 10))
    fix = {"train.gradient_accumulation_steps": max(1, min(n["accumulation"], target // at_once))}
    if at_once > n["units"]:
        fix["train.per_device_train_batch_size"] = max(1, min(n["per_device"], target // n["devices"]))
    return {key: value for key, value in fix.items() if value != n["accumulation"] or "accumulation" not in key}
