"""The run is forecast to end without being better than its base, or above its own lowest loss.

## What it does
Continues the trial's evaluations to the end of the run: the rectified scaling law is fitted to them over the sum of the
learning rates, corrected as some hundred whole runs have taught, and given an interval. The run is to end 2 % below the
base's validation loss and below what a short run at another learning rate reaches, and not 5 % above its own lowest
evaluation. Where the trial cannot tell, the check is skipped and says what would decide it.

## Why is this bad?
The whole run would be paid for, and its model would be no better than the one it began with.

## Example
The learning rate is a hundredth of a useful one:

```yaml
model:
  name: Qwen/Qwen3-0.6B-Base
  adapter: lora
train:
  learning_rate: 2.0e-6
```

## Use instead
Set right what other findings name first: learning rate, rows, labels; then epochs.

```yaml
model:
  name: Qwen/Qwen3-0.6B-Base
  adapter: lora
train:
  learning_rate: 2.0e-4
```

## Known problems
The runs that it has learned from are short ones of small models. The forecast is of the validation loss: a run whose
answers are worthless but likelier than the base's gets there.

## References
- [Rectified scaling law](https://arxiv.org/abs/2402.02314): how the loss of a fine-tune falls
- [Annealing in scaling laws](https://arxiv.org/abs/2408.11029): the sum of learning rates in place of steps
- [Learning curves](https://www.ijcai.org/Abstract/15/487): averages over parametric curves
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, passed, warned
from sanetune.forecast.outcome import OWN, aim

if TYPE_CHECKING:
    from sanetune.forecast.outcome import OutcomeForecast

FIX = "none"
VERSION = 3

LIMITS = {
    "sure": Limit(0.5, "chance of failing: at least as likely as not, where the calibration's own limit says so too"),
}


def measure(outcome: OutcomeForecast) -> Measurement:
    if outcome.verdict == "not decidable by this trial":
        further = outcome.further_steps
        setting = f": check.trial_steps={outcome.step + further}" if further is not None else ""
        raise NotApplicableError(
            f"not decidable by this trial: forecast {units.nats(outcome.median)} ({units.nats(outcome.low)} to"
            f" {units.nats(outcome.high)}), to get below {units.nats(outcome.there)} and not {units.share(OWN - 1)}"
            f" above its lowest. It takes {outcome.decides}{setting}"
        )
    return Measurement(
        {
            "step": outcome.step,
            "total_steps": outcome.total_steps,
            "low": outcome.low,
            "median": outcome.median,
            "high": outcome.high,
            "there": outcome.there,
            "there_is": outcome.there_is,
            "lowest": outcome.lowest,
            "failing": outcome.failing,
            "fails": outcome.verdict == "will not get there",
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    message = (
        f"from {n['step']:,} of {n['total_steps']:,} steps the final validation loss, on the trial's rows, is forecast"
        f" as {units.nats(n['median'])} ({units.nats(n['low'])} to {units.nats(n['high'])} with 80 %); it has to get"
        f" {aim(n['there'], n['there_is'], n['lowest'])}"
    )
    if n["fails"] and n["failing"] >= limits["sure"]:
        return warned(f"{message}; it will not, with a chance of {units.share(n['failing'])}")
    return passed(message)
