"""The loss or the gradient norm jumps far above its neighbours and comes back.

## What it does
Finds training losses at least 1.8 times the median of their neighbours and far outside the batch noise, over several
steps, together with the gradient norm, above what guessing costs, or at 1.5 times the first losses of the run; means of
several steps at 1.5 times both records beside them whose gradient norm is ten times that of its neighbours; rises of
any length that come back, in training and on validation rows; evaluations of a fixed batch that stand out; and a hump
above the start in the first steps. The highest is named. One unusual batch without effect on a fixed batch, or a large
gradient norm without harm, is only mentioned.

## Why is this bad?
A spike wastes steps and some of what the model knew, and the next one may not come back.

## Example
```yaml
train:
  learning_rate: 1.0e-4
  warmup_steps: 0
  max_grad_norm: 0          # no clipping
```

## Use instead
Clip the gradients (`train.max_grad_norm`), warm up longer (`train.warmup_steps`), or lower `train.learning_rate`.

```yaml
train:
  learning_rate: 5.0e-5
  warmup_steps: 0.05
  max_grad_norm: 1.0
```

## Known problems
One bad batch between records of several steps, or among batches that scatter by half of their loss, looks like a hard
one. Nobody knows from a log whether a single high batch did harm.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.checks.curve import _fixes as fixes
from sanetune.checks.curve._applies import fewer, needs_token_loss
from sanetune.checks.curve._gradient_spikes import after_gradients, norm_spikes, with_gradients
from sanetune.checks.curve._spikes import LIMITS as SPIKE_LIMITS
from sanetune.checks.curve._spikes import (
    Spike,
    apart,
    harmless,
    in_evaluations,
    in_training,
    long_rise,
    of_harder_rows,
    rise_at_once,
    rise_in_validation,
)
from sanetune.curves.changes import finite, last_step, learned_points
from sanetune.curves.scale import LARGEST_VOCABULARY, times_validation
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "sometimes"
LIVE = "recent"
VERSION = 9

LIMITS = {
    "hump": Limit(
        0.2, "above the start in the first steps; none at good learning rates on stories260k, 0.4 at the worst"
    ),
    "hump_least": Limit(0.2, "nats; a loss near 0 may double without harm"),
    "spikes": Limit(1, "a spike that several steps or the gradients confirm is none of noise"),
    "came_back": Limit(0.5, "of the hump that is gone at the end; a choice: else it is curve-diverged's"),
    "early": Limit(0.2, "of the steps; spikes within it are the warm-up's doing"),
    "short_warmup": Limit(0.05, "of the steps; a warm-up below it is lengthened (published recipes: 3 to 10 %)"),
    **SPIKE_LIMITS,
}


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    points, fixed, validation = learned_points(curve), finite(curve.fixed_batch), finite(curve.validation)
    if len(points) < 8 and len(fixed) < 5 and len(validation) < 4:
        raise fewer(len(points), 8, "training loss", "training losses")
    # Losses that are sums of micro-batches are compared with as many times what guessing costs.
    guessing = math.log(curve.vocab_size or LARGEST_VOCABULARY) * (times_validation(curve) or 1.0)
    found = [*in_training(points, limits, guessing), *in_evaluations(fixed, limits)]
    for more in (with_gradients(points, limits), after_gradients(points, limits)):
        found += [one for one in more if all(one.step != known.step for known in found)]
    confirmed = [spike for spike in found if spike.confirmed and not harmless(spike, fixed, limits)]
    odd = len(found) - len(confirmed)
    of_batches = [rise for rise in (long_rise(points, limits), rise_at_once(curve, limits)) if rise]
    long = [rise for rise in of_batches if not of_harder_rows(rise, points, validation)]
    in_validation = rise_in_validation(validation, limits)
    confirmed = apart([*confirmed, *long, *([in_validation] if in_validation else [])])
    hump = max(fixed, key=lambda one: one.loss) if len(fixed) >= 5 else None
    return Measurement(
        {
            "points": len(points),
            "looks": len(fixed),
            "spikes": len(confirmed),
            "odd_batches": odd,
            "norm_spikes": norm_spikes(points, curve, limits),
            "worst": _evidence(confirmed[0]) if confirmed else None,
            "hump": (hump.loss - fixed[0].loss) if hump else 0.0,
            "hump_share": (hump.loss / fixed[0].loss - 1) if hump and fixed[0].loss > 0 else 0.0,
            "hump_step": hump.step if hump else None,
            "start": fixed[0].loss if fixed else None,
            "came_back": bool(hump and hump.loss - fixed[-1].loss > limits["came_back"] * (hump.loss - fixed[0].loss)),
            "early": bool(confirmed) and max(one.step for one in confirmed) <= limits["early"] * last_step(curve),
            "steps": last_step(curve),
            "clipped_at": curve.max_grad_norm,
            "warmup_steps": curve.warmup_steps,
            "planned_rate": curve.planned_lr,
        }
    )


def _evidence(spike: Spike) -> dict[str, Any]:
    return {"step": spike.step, "loss": spike.height, "around": spike.around, "length": spike.length}


def at(m: Measurement) -> int | None:
    """The highest step of the worst spike or hump."""
    step: int | None = m.numbers["worst"]["step"] if m.numbers["worst"] else m.numbers["hump_step"]
    return step


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["came_back"] and n["hump_share"] >= limits["hump"] and n["hump"] >= limits["hump_least"]:
        message = (
            f"the loss on a fixed batch rises from {n['start']:.2f} to {n['start'] + n['hump']:.2f} at step"
            f" {n['hump_step']:,} before it comes back"
        )
        return warned(message, fix=fixes.lower_lr(n["planned_rate"]))
    if n["spikes"] >= limits["spikes"]:
        worst = n["worst"]
        which = "the worst " if n["spikes"] > 1 else ""
        message = (
            f"the loss has {units.many(n['spikes'], 'spike')}, {which}at step {worst['step']:,}:"
            f" {units.nats(worst['loss'])} beside a level of {units.nats(worst['around'])}"
        )
        if worst["length"] > 1:
            message += f", over {units.many(worst['length'], 'record')}"
        return warned(message, _remedy(n), fix=_fix(n, limits))
    notes = []
    if n["odd_batches"]:
        notes.append(f"{units.many(n['odd_batches'], 'odd batch', 'odd batches')} that nothing else confirms")
    if n["norm_spikes"]:
        notes.append(f"{units.many(n['norm_spikes'], 'large gradient')} that did no harm")
    points = units.many(n["points"], "training loss", "training losses")
    evaluations = units.many(n["looks"], "evaluation")
    note = f" ({', '.join(notes)})" if notes else ""
    return passed(f"no spike in {points} and {evaluations} of a fixed batch{note}")


def _remedy(n: dict[str, Any]) -> str:
    """What to do where gradients are clipped as they should be; empty: what the page says."""
    clipped_at = n["clipped_at"]
    if clipped_at is None or not 0 < clipped_at <= 1:
        return ""
    return (
        f"Inspect the rows of that step, warm up longer (train.warmup_steps), or lower train.learning_rate; gradients"
        f" are clipped at {clipped_at:g} already."
    )


def _fix(n: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Clipping where there is none; a longer warm-up for early spikes; else a lower learning rate."""
    if n["clipped_at"] is not None and (n["clipped_at"] <= 0 or n["clipped_at"] > 1):
        return {"train.max_grad_norm": 1.0}
    if n["early"] and n["warmup_steps"] is not None and n["warmup_steps"] < limits["short_warmup"] * n["steps"]:
        return {"train.warmup_steps": 0.1}
    return fixes.lower_lr(n["planned_rate"])
