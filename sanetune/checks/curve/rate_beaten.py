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
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.curves.paired import PairedDifference, paired_difference
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings
    from sanetune.probes.results import LearningRateComparison, LearningRateRun, Trial

FIX = "sometimes"
FIX_PRIORITY = 20

LIMITS = {
    "errors": Limit(3.0, "standard errors of the gain over the held-out rows; below 3 it may be chance"),
    "hot_warn": Limit(
        0.02, "nats: what a tenth of the best learning rate costs in a whole run (Tinker's sweep, 35 models)"
    ),
    "hot_fail": Limit(0.1, "nats: five times that"),
    "reach_warn": Limit(
        0.2, "learning rate times steps of the whole run, beside those of the best run of the comparison"
    ),
    "reach_fail": Limit(0.05, "as reach_warn: the whole run goes a twentieth of the way that forty steps can"),
    "cold_gain": Limit(
        0.1, "nats by which the best run of the comparison is ahead, also of the trial at the planned learning rate"
    ),
}

MEAN_OF_SCHEDULE = 0.5
"""The mean learning rate of a run is about half of its peak (a cosine or a line down to zero)."""
AS_SHORT, ROOT, LEAST = 100, 1 / 3, 0.25
"""Up to so many steps, the best peak of a learning rate that falls to zero equals the best constant one of forty
steps: on models of 0.26 and 1.1 million weights the comparison has it at 1.1e-3 and 1.2e-3, a grid of runs of 95 steps
at 1.3e-3 and 1.5e-3. A longer run takes a lower one (arXiv:2409.19913); here by this root of its length, down to this
share."""


def measure(lr_comparison: LearningRateComparison, run_settings: RunSettings, trial: Trial) -> Measurement:
    planned = lr_comparison.at(lr_comparison.planned_lr)
    best = lr_comparison.best or lr_comparison.runs[0]
    last = trial.curve.validation[-1] if trial.curve.validation else planned.evaluation
    beside = _only_neighbour(lr_comparison, best)
    numbers = {
        **_paired("learnt", "learnt_errors", paired_difference(lr_comparison.start, planned.evaluation)),
        "finite": math.isfinite(planned.evaluation.loss),
        "planned": lr_comparison.planned_lr,
        "best": best.lr,
        **_paired("gain", "errors", lr_comparison.gain_over_planned(best)),
        "rows": len(best.evaluation.sums),
        "steps": lr_comparison.steps,
        "total_steps": run_settings.steps.total_steps,
        "start_loss": lr_comparison.start.loss,
        "losses": [{"rate": one.lr, "loss": one.evaluation.loss} for one in lr_comparison.runs],
        "trial_steps": trial.steps,
        "trial_loss": last.loss,
        **_paired("behind", "behind_errors", paired_difference(last, best.evaluation)),
        "reach": MEAN_OF_SCHEDULE
        * lr_comparison.planned_lr
        * run_settings.steps.total_steps
        / (best.lr * lr_comparison.steps),
        "lowest": _lowest(lr_comparison, best),
        "beside": beside.lr if beside else None,
        **_paired(
            "beside_gain", "beside_errors", paired_difference(beside.evaluation, best.evaluation) if beside else None
        ),
    }
    return Measurement(numbers)


def _paired(mean: str, t: str, difference: PairedDifference | None) -> dict[str, float | None]:
    """The numbers of a difference under these names; None where it could not be measured."""
    return {mean: difference.mean, t: difference.t} if difference else {mean: None, t: None}


def _only_neighbour(comparison: LearningRateComparison, best: LearningRateRun) -> LearningRateRun | None:
    """The run beside ``best`` where that is the lowest or highest learning rate; None: it has two, or none."""
    found = [one for one in comparison.runs if math.isfinite(one.evaluation.loss)]
    if len(found) < 2 or best not in (found[0], found[-1]):
        return None
    return found[1] if best is found[0] else found[-2]


def _lowest(comparison: LearningRateComparison, best: LearningRateRun) -> float:
    """The learning rate at which the parabola through ``best`` and its two neighbours is lowest; that of ``best`` where
    it has not two."""
    found = [one for one in comparison.runs if math.isfinite(one.evaluation.loss)]
    at = found.index(best) if best in found else 0
    if not 0 < at < len(found) - 1:
        return best.lr
    low, high = found[at - 1], found[at + 1]
    down, up = math.log(best.lr / low.lr), math.log(high.lr / best.lr)
    left = (best.evaluation.loss - low.evaluation.loss) / down
    right = (high.evaluation.loss - best.evaluation.loss) / up
    if right <= left:
        return best.lr
    # The slopes halfway to either side; between them they pass through zero.
    return math.sqrt(best.lr * low.lr) * math.exp((down + up) / 2 * -left / (right - left))


def _proposed(n: dict[str, Any], limits: Limits) -> float:
    """The learning rate for the whole run: the lowest point, or halfway to the only neighbour where the two cannot be
    told apart; less where the run is longer than the short runs can speak for."""
    lr = n["lowest"]
    if n["beside"] is not None and not _reaches(n["beside_errors"], limits["errors"]):
        lr = math.sqrt(n["best"] * n["beside"])
    return float(lr * max(LEAST, min(1.0, AS_SHORT / max(1, n["total_steps"])) ** ROOT))


def _reaches(measured: float | None, limit: float) -> bool:
    """Whether it was measured and is not below ``limit``."""
    return measured is not None and measured >= limit


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    losses = ", ".join(f"{one['loss']:.3f} at {units.lr(one['rate'])}" for one in n["losses"])
    message = (
        f"After {n['steps']} steps from the same start the loss on {units.many(n['rows'], 'held-out row')} is {losses}"
    )
    sure = _reaches(n["errors"], limits["errors"])
    gain = f"{n['gain']:.3f} nats ({n['errors']:.1f} standard errors)" if sure else ""
    proposed = _proposed(n, limits) if n["best"] != n["planned"] else n["planned"]
    fix = {"train.learning_rate": float(f"{proposed:.1e}")}
    if not n["finite"]:
        return failed(f"{message}: at the planned {units.lr(n['planned'])} it is no number any more", fix=fix)
    if n["best"] < n["planned"] and sure and n["gain"] >= limits["hot_warn"]:
        text = f"{message}: the planned {units.lr(n['planned'])} is too high by {gain}"
        return failed(text, fix=fix) if n["gain"] >= limits["hot_fail"] else warned(text, fix=fix)
    if n["learnt_errors"] is not None and n["learnt_errors"] <= -limits["errors"]:
        text = f"{message}: the planned {units.lr(n['planned'])} leaves it above the base's {n['start_loss']:.3f}"
        return failed(text, fix=fix if n["best"] != n["planned"] else {})
    behind = _reaches(n["behind"], limits["cold_gain"]) and _reaches(n["behind_errors"], limits["errors"])
    if n["best"] > n["planned"] and sure and behind and n["reach"] < limits["reach_warn"]:
        text = (
            f"{message}: {units.lr(n['best'])} is better than the planned {units.lr(n['planned'])} by {gain}; the"
            f" trial's {n['trial_steps']:,} steps do not get there ({n['trial_loss']:.3f}), and all"
            f" {n['total_steps']:,} steps of the run, times their lr, come to {n['reach']:.2g} of that run's"
        )
        return failed(text, fix=fix) if n["reach"] < limits["reach_fail"] else warned(text, fix=fix)
    if n["best"] == n["planned"]:
        return passed(f"{message}: none is better than the planned {units.lr(n['planned'])}")
    return passed(f"{message}: none is so much better than the planned {units.lr(n['planned'])} that it would count")
