"""The run takes longer or costs more than the budget allows.

## What it does
Forecasts hours and dollars of the whole run from the measured steps of the trial: steps, evaluations and checkpoint
saves, for the fastest and the slowest part of the trial.

## Why is this bad?
A run that is stopped when the money is spent ends in the middle of its schedule and has to be paid for again.

## Example
```yaml
budget:
  devices: 8
  usd_per_device_hour: 2.0
  max_usd: 200
train:
  num_train_epochs: 10
```

## Use instead
Train for fewer epochs or steps, pack short rows (`train.packing: true`), evaluate less often, or raise the budget.

```yaml
budget:
  devices: 8
  usd_per_device_hour: 2.0
  max_usd: 200
train:
  num_train_epochs: 3
  packing: true
```
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.evidence.run_settings import RunSettings
    from sanetune.forecast.forecast import Forecast

FIX = "sometimes"

LIMITS = {
    "share": Limit(1.0, "the budget is the user's own number"),
    "padding": Limit(0.2, "below a fifth, packing saves less than the forecast may be wrong by"),
    "epochs": Limit(1.0, "fewer are not proposed: a run that sees only a part of its rows is the user's to decide on"),
    "looks": Limit(0.2, "an evaluation at every tenth of a run usually takes a few percent of it"),
}


def measure(forecast: Forecast, run_settings: RunSettings, config: Config) -> Measurement:
    budget = config.budget
    if budget.max_hours is None and budget.max_usd is None:
        raise NotApplicableError("no budget is set (budget.max_hours, budget.max_usd)")
    if not forecast.comparable:
        raise NotApplicableError(
            f"the steps were measured on {forecast.measured_on}, and the budget pays for {forecast.paid_kind}"
        )
    if budget.max_hours is None and forecast.usd is None:
        raise NotApplicableError("budget.max_usd is set, but no price: set budget.usd_per_device_hour")
    cost = forecast.usd
    numbers: dict[str, Any] = {
        "hours": forecast.hours.middle,
        "hours_low": forecast.hours.low,
        "hours_high": forecast.hours.high,
        "max_hours": budget.max_hours,
        "usd": None if cost is None else cost.middle,
        "usd_low": None if cost is None else cost.low,
        "usd_high": None if cost is None else cost.high,
        "max_usd": None if cost is None else budget.max_usd,
        "devices": forecast.paid_devices,
        "steps": forecast.steps,
        "steps_that_fit": _fitting(forecast, config),
        "steps_per_epoch": forecast.steps_per_epoch,
        "epochs": run_settings.steps.epochs,
        "by_steps": int(config.train.get("max_steps", -1)) > 0,
        "packing": run_settings.data.packing,
        "padding_share": forecast.padding_share,
        "look_share": forecast.evaluation_share,
        "notes": list(forecast.notes),
    }
    return Measurement(numbers)


def _fitting(forecast: Forecast, config: Config) -> int:
    """Most steps with which the slow end of the forecast stays within both budgets."""
    hours = [config.budget.max_hours] if config.budget.max_hours is not None else []
    if config.budget.max_usd is not None and forecast.usd_per_device_hour:
        hours.append(config.budget.max_usd / forecast.usd_per_device_hour / forecast.paid_devices)
    return min(forecast.steps_within(min(hours)), forecast.steps) if hours else forecast.steps


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    said, over, touched = [], False, False
    for name, word in (("hours", _hours), ("usd", units.usd)):
        most = n[f"max_{name}"]
        if most is None:
            continue
        over |= n[name] > limits["share"] * most
        touched |= n[f"{name}_high"] > limits["share"] * most
        low, high = word(n[f"{name}_low"]), word(n[f"{name}_high"])
        said.append(f"{word(n[name])} ({low} to {high}) of {word(most)}")
    message = f"The run will take {' and '.join(said)}, on {units.many(n['devices'], 'device')}"
    if not touched and not over:
        return passed(message)
    if over:
        return failed(f"{message}: more than the budget", _remedy(n, limits), _fix(n, limits))
    return warned(f"{message}: the slow end is beyond the budget", _remedy(n, limits), _fix(n, limits))


def _hours(number: float) -> str:
    return units.seconds(3600 * number)


def _epochs(n: dict[str, Any]) -> float:
    """The epochs that fit, rounded down."""
    return math.floor(100 * int(n["steps_that_fit"]) / max(1, int(n["steps_per_epoch"]))) / 100


def _fix(n: dict[str, Any], limits: Limits) -> dict[str, Any]:
    if _epochs(n) < limits["epochs"] or n["steps_that_fit"] >= n["steps"]:
        return {}
    return {"train.max_steps": n["steps_that_fit"]} if n["by_steps"] else {"train.num_train_epochs": _epochs(n)}


def _remedy(n: dict[str, Any], limits: Limits) -> str:
    ways = [
        f"{n['steps_that_fit']:,} of {n['steps']:,} steps fit for certain, which are {units.epochs(_epochs(n))} of"
        f" {units.epochs(n['epochs'])} epochs: set {'train.max_steps' if n['by_steps'] else 'train.num_train_epochs'}."
    ]
    if n["padding_share"] > limits["padding"] and not n["packing"]:
        ways.append(
            f"{units.share(n['padding_share'])} of the places are padding: full packs (train.packing: true) would make"
            f" an epoch up to {1 / (1 - n['padding_share']):.1f} times shorter."
        )
    if n["look_share"] > limits["looks"]:
        ways.append(
            f"Measuring the validation rows takes {units.share(n['look_share'])} of the time: raise train.eval_steps."
        )
    return " ".join([*ways, "Or raise the budget."])
