"""Another learning rate reaches a clearly lower validation loss from the same start on the same batches.

## What it does
Trains forty steps from the base at a third of the planned learning rate, at the planned one and at three times it,
and continues in the better direction. The validation losses at the end are compared row by row. A low learning rate
is not reported if the trial reaches the same loss with it.

## Why is this bad?
Under gradient clipping, a learning rate that is too high often neither diverges nor oscillates: the curve is smooth
and stays high.

One that is far too low learns next to nothing before the run is over.

## Example
A learning rate for another size or method:

```yaml
model:
  name: Qwen/Qwen3-0.6B-Base
  adapter: lora
train:
  learning_rate: 2.0e-5     # usual for all weights, too low for LoRA
```

## Use instead
Set `train.learning_rate` to the proposed value.

```yaml
model:
  name: Qwen/Qwen3-0.6B-Base
  adapter: lora
train:
  learning_rate: 2.0e-4
```

## Known problems
Forty steps favour high learning rates slightly: a long run tolerates less than a short one.

## References
- [LoRA without regret](https://thinkingmachines.ai/blog/lora/): what a wrong learning rate costs
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.curves.paired import gain
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings
    from sanetune.probes.lr_comparison import LearningRateComparison
    from sanetune.probes.trial import Trial

LIMITS = {
    "errors": Limit(3.0, "standard errors of the gain over the held-out rows; below 3 it may be chance"),
    "hot_warn": Limit(0.02, "nats: what a tenth of the best rate costs in a whole run (Tinker's sweep, 35 models)"),
    "hot_fail": Limit(0.1, "nats: five times that"),
    "reach_warn": Limit(0.2, "rate times steps of the whole run, beside those of the best short branch"),
    "reach_fail": Limit(0.05, "as reach_warn: the whole run goes a twentieth of the way that forty steps can"),
    "cold_gain": Limit(
        0.1, "nats by which the best short branch is ahead, also of the whole trial at the planned rate"
    ),
}

MEAN_OF_SCHEDULE = 0.5
"""The mean rate of a run is about half of its peak (a cosine or a line down to zero)."""
AS_SHORT, ROOT, LEAST = 100, 1 / 3, 0.25
"""Up to so many steps the best peak of a rate that falls to zero is the best constant rate of forty steps: on models of
0.26 and 1.1 million weights the branches have it at 1.1e-3 and 1.2e-3, a grid of runs of 95 steps at 1.3e-3 and 1.5e-3.
A longer run takes a lower one (arXiv:2409.19913); here by this root of its length, down to this share."""


def measure(lr_comparison: LearningRateComparison, run_settings: RunSettings, trial: Trial) -> Measurement:
    best, planned = lr_comparison.best, lr_comparison.planned
    last = trial.curve.held[-1] if trial.curve.held else lr_comparison.at(planned).look
    behind = gain(last, best.look)
    found, since = lr_comparison.gain_over_planned(best), gain(lr_comparison.start, lr_comparison.at(planned).look)
    numbers = {
        "learnt": since.nats,
        "learnt_errors": since.errors,
        "finite": math.isfinite(lr_comparison.at(planned).look.loss),
        "planned": planned,
        "best": best.rate,
        "gain": found.nats,
        "errors": found.errors,
        "rows": found.rows,
        "steps": lr_comparison.steps,
        "total_steps": run_settings.total_steps,
        "start_loss": lr_comparison.start.loss,
        "losses": [{"rate": one.rate, "loss": one.look.loss} for one in lr_comparison.branches],
        "trial_steps": trial.done,
        "trial_loss": last.loss,
        "behind": behind.nats,
        "behind_errors": behind.errors,
        "reach": MEAN_OF_SCHEDULE * planned * run_settings.total_steps / (best.rate * lr_comparison.steps),
        "proposed": proposed(lr_comparison, run_settings.total_steps) if best.rate != planned else planned,
    }
    return Measurement(numbers)


def proposed(lr_comparison: LearningRateComparison, steps: int) -> float:
    """The rate for a run of ``steps``: where the parabola through the best branch and its neighbours is lowest, halfway
    to the one neighbour that there is where the two cannot be told apart; less where the run is longer than that."""
    best, found = lr_comparison.best, [one for one in lr_comparison.branches if math.isfinite(one.look.loss)]
    at = found.index(best) if best in found else 0
    rate = best.rate
    if 0 < at < len(found) - 1:
        low, high = found[at - 1], found[at + 1]
        down, up = math.log(best.rate / low.rate), math.log(high.rate / best.rate)
        left, right = (best.look.loss - low.look.loss) / down, (high.look.loss - best.look.loss) / up
        if right > left:  # the slopes halfway to either side; between them they pass through zero
            rate = math.sqrt(best.rate * low.rate) * math.exp((down + up) / 2 * -left / (right - left))
    elif len(found) > 1:
        beside = found[1 if at == 0 else at - 1]
        if gain(beside.look, best.look).errors < LIMITS["errors"].value:
            rate = math.sqrt(best.rate * beside.rate)
    return float(rate * max(LEAST, min(1.0, AS_SHORT / max(1, steps)) ** ROOT))


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    losses = ", ".join(f"{one['loss']:.3f} at {units.rate(one['rate'])}" for one in n["losses"])
    what = (
        f"After {n['steps']} steps from the same start the loss on {units.many(n['rows'], 'held-out row')} is {losses}"
    )
    gain = f"{n['gain']:.3f} nats ({n['errors']:.1f} standard errors)"
    fix = {"train.learning_rate": float(f"{n['proposed']:.1e}")}
    sure = n["errors"] >= limits["errors"]
    if not n["finite"]:
        return failed(f"{what}: at the planned {units.rate(n['planned'])} it is no number any more", fix=fix)
    if n["best"] < n["planned"] and sure and n["gain"] >= limits["hot_warn"]:
        text = f"{what}: the planned {units.rate(n['planned'])} is too high by {gain}"
        return failed(text, fix=fix) if n["gain"] >= limits["hot_fail"] else warned(text, fix=fix)
    if n["learnt"] < 0 and n["learnt_errors"] <= -limits["errors"]:
        text = f"{what}: the planned {units.rate(n['planned'])} leaves it above the base's {n['start_loss']:.3f}"
        return failed(text, fix=fix if n["best"] != n["planned"] else {})
    behind = n["behind"] >= limits["cold_gain"] and n["behind_errors"] >= limits["errors"]
    if n["best"] > n["planned"] and sure and behind and n["reach"] < limits["reach_warn"]:
        text = (
            f"{what}: {units.rate(n['best'])} is better than the planned {units.rate(n['planned'])} by {gain}; the"
            f" trial's {n['trial_steps']:,} steps do not get there ({n['trial_loss']:.3f}), and all"
            f" {n['total_steps']:,} steps of the run, times their rate, come to {n['reach']:.2g} of that branch's"
        )
        return failed(text, fix=fix) if n["reach"] < limits["reach_fail"] else warned(text, fix=fix)
    if n["best"] == n["planned"]:
        return passed(f"{what}: none is better than the planned {units.rate(n['planned'])}")
    return passed(f"{what}: none is so much better than the planned {units.rate(n['planned'])} that it would count")
