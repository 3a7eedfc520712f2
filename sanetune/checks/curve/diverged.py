"""The loss rises and does not come back.

## What it does
Compares the validation loss at the end with that before the first step, row by row, and with the lowest in between.
Without validation rows it uses the training batches, with their noise: of a run that shoots up in its first steps the
first loss alone is the start, all later losses far above it are evidence, and one that shoots up and comes back in part
is a warning, as is one that had come down near zero and rises to five times its lowest level. A validation loss that
rises while the training loss falls is `curve-overfit`.

## Why is this bad?
The model is worse than it was: also where the loss comes down again, those steps only lead back to where it began.

## Example
```yaml
train:
  learning_rate: 5.0e-3     # all weights of a 1B model
```

## Use instead
Lower `train.learning_rate`, and start again from the base model.

```yaml
train:
  learning_rate: 2.0e-5
```

## Known problems
float16 overflow, and labels that do not belong to their prompts, look the same in the loss.
"""

from __future__ import annotations

import math
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Basis, Limit, Limits
from sanetune.checks.curve import _fixes as fixes
from sanetune.checks.curve._applies import needs_token_loss, too_few
from sanetune.checks.curve._medians import of_first, of_last, of_others
from sanetune.curves.changes import (
    HELD_OUT,
    TRAINING,
    finite,
    last_step,
    learned_points,
    overall,
    peak_step,
    since_lowest,
    training,
    training_since_lowest,
)
from sanetune.curves.early_rise import EARLY_SOURCE, EARLY_SURE, early_rise
from sanetune.curves.humps import known_better_through
from sanetune.curves.robust import relative_noise
from sanetune.curves.valley import all_later_above
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.changes import Change
    from sanetune.curves.series import Curve

FIX = "sometimes"
LIVE = "recent"
VERSION = 10

LIMITS = {
    "sure": Limit(3.0, "standard errors, rows compared in pairs; no simulated clean curve is above (docs/curves.md)"),
    "training_sure": Limit(4.0, "the same where only batches are known, whose errors are estimates"),
    "rise": Limit(
        0.1,
        "held-out loss above its start; on stories260k all learning rates up to 100 times the best end below theirs",
    ),
    "rise_warn": Limit(0.02, "the width that a healthy validation loss moves in (logs/wild)"),
    "training_rise": Limit(0.5, "where only batches are known: the reader's limit for diverged (logs/wild)"),
    "training_rise_warn": Limit(0.25, "half of that"),
    "early_sure": Limit(EARLY_SURE, EARLY_SOURCE),
    "lost": Limit(0.5, "of the fall in between"),
    "lost_share": Limit(0.2, "of the lowest level"),
    "training_lost_share": Limit(0.35, "the same where only batches are known, some of which are easy"),
    "least": Limit(0.05, "nats; smaller rises are no divergence, whatever their share"),
    "least_times": Limit(
        5.0,
        "times the lowest level, from which on a smaller rise of training batches is a warning: near zero all are"
        " small",
    ),
    "least_near_zero": Limit(
        0.01, "nats of such a rise; a public log rose from 0.002 to 0.03 as its learning rate decayed"
    ),
    "least_down": Limit(2.0, "times that level, that such a loss began at: it had come down"),
    "least_late": Limit(0.1, "of the steps, before which the lowest level is the start"),
    "above_sure": Limit(4.0, "standard deviations of one loss that nine in ten of the last half are above the start"),
    "training_fell": Limit(
        1.5,
        "standard errors from which on training counts as falling: rising held-out rows are then curve-overfit's; with"
        " less the two cannot be told apart, and both are reported",
    ),
}


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    change = overall(curve)
    if change is None:
        raise too_few(curve)
    trained = training(curve)
    low = _lowest(curve, trained, limits) or change
    later = training(curve, since=low.steps[0])
    above = max(0.0, _stays_above(curve, change))
    return Measurement(
        {
            "source": change.source,
            "start": change.before,
            "end": change.after,
            "first": change.first,
            "last": change.last,
            "end_step": change.steps[1],
            "rise": change.difference,
            "share": change.relative,
            "sure": change.t,
            "stays_above": above,
            "all_above": _all_above(curve, change),
            "stays_above_sure": above / (1 + above) / max(relative_noise(_losses(curve)), 1e-9),
            "lowest_source": low.source,
            "lowest": low.before,
            "lowest_step": low.steps[0],
            "lowest_first": low.source == HELD_OUT and low.steps[0] == finite(curve.validation)[0].step,
            "lowest_of": low.first,
            "lost": low.difference,
            "lost_last": low.last,
            "lost_step": low.steps[1],
            "lost_sure": low.t,
            "later_above": all_later_above([one.loss for one in finite(curve.validation)]),
            **(_early(curve) if change.source == TRAINING else {}),
            "training_fell": _fell(trained, limits),
            "training_fell_later": _fell(later, limits),
            "planned_rate": curve.planned_lr,
            "usual_rate": curve.usual_lr,
            "borne_rate": _borne_lr(curve, limits),
        }
    )


def _borne_lr(curve: Curve, limits: Limits) -> float | None:
    """The learning rate of the lowest training loss of a warm-up in which the loss then shoots up: the run cannot bear
    much more. None where it bears its warm-up."""
    peak = peak_step(curve)
    # The watch asks this every few steps: the points after the warm-up are not gone through.
    early = takewhile(lambda point: point.step <= peak, curve.points)
    warming = [point for point in early if point.lr is not None and 0 < point.loss < math.inf]
    lowest = min(warming, key=lambda point: point.loss, default=None)
    if lowest is None:
        return None
    highest = max(point.loss for point in warming if point.step >= lowest.step)
    return lowest.lr or None if highest >= (1 + limits["training_rise"]) * lowest.loss else None


def _lowest(curve: Curve, trained: Change | None, limits: Limits) -> Change | None:
    """The change since the lowest loss: by training batches where those have risen for sure and held-out rows with
    them, else by what decides. Few evaluations that scatter hide what all batches show."""
    by_batches, change = training_since_lowest(curve), since_lowest(curve)
    if by_batches is None or change is None or trained is None or change.source == TRAINING:
        return change
    dropped = by_batches.difference >= limits["lost"] * (trained.before - by_batches.before)
    rose = by_batches.t >= limits["training_sure"] and by_batches.relative >= limits["training_lost_share"]
    return by_batches if dropped and rose and change.relative >= limits["rise"] else change


def _early(curve: Curve) -> dict[str, float | int]:
    """The rise of the training loss from its first records; nothing for too few of them."""
    rise = early_rise(curve)
    if rise is None:
        return {}
    return {
        "early_start": rise.start,
        "early_peak": rise.peak,
        "early_peak_step": rise.peak_step,
        "early_first": rise.records,
        "early_highest": rise.highest.loss,
        "early_highest_step": rise.highest.step,
        "early_end": rise.end,
        "early_last": rise.last,
        "early_sure": rise.sure,
        "early_end_sure": rise.end_sure,
        "early_harder_rows": known_better_through(finite(curve.validation), 0, rise.peak_step, last_step(curve)),
    }


def _losses(curve: Curve) -> list[float]:
    return [point.loss for point in learned_points(curve)]


def _stays_above(curve: Curve, change: Change) -> float:
    """How far nine in ten training losses of the last half, and all evaluations in it, are above the start, as a share
    of it."""
    late = sorted(_losses(curve)[len(curve.points) // 2 :])
    if change.source != TRAINING or len(late) < 2 or change.before <= 0:
        return 0.0
    evaluations = [one.loss for one in finite(curve.validation) if one.step >= 0.5 * last_step(curve)]
    return min([late[len(late) // 10], *evaluations]) / change.before - 1


def _all_above(curve: Curve, change: Change) -> float:
    """How far each of two or more evaluations after that of the start is above it, as a share of it: those of a run
    that has diverged scatter by what they have risen."""
    later = [one.loss for one in finite(curve.validation) if one.step > change.steps[0]]
    if change.source != HELD_OUT or change.exact or len(later) < 2 or change.before <= 0:
        return 0.0
    return max(0.0, min(later) / change.before - 1)


def _fell(trained: Change | None, limits: Limits) -> bool:
    """A cross entropy is never below zero: where it is, its sign or scale is wrong, and its fall says nothing."""
    return trained is not None and trained.t < -limits["training_fell"] and trained.after >= 0


def basis(m: Measurement, limits: Limits) -> Basis | None:
    """The last evaluation of held-out rows; None where the training losses say it by themselves."""
    n = m.numbers
    if n["source"] == HELD_OUT:
        return Basis(n["end_step"], n["end"], beyond=n["share"] >= limits["training_rise"])
    if n["lowest_source"] != HELD_OUT or n["share"] >= limits["training_rise_warn"]:
        return None
    return Basis(n["lost_step"], n["lowest"] + n["lost"], beyond=n["lost"] >= limits["training_rise"] * n["lowest"])


def _above(share: float) -> str:
    """A rise in words: above its double it is so many times the start."""
    return f"{units.share(share)} above its start" if share < 1 else f"{1 + share:.1f} times its start"


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    by_batches = n["source"] == TRAINING
    start, end = f"{units.nats(n['start'])}{of_first(n['first'])}", units.nats(n["end"])
    message = f"by {n['source']} the loss goes from {start} to {end}{of_last(n['last'])} at step {n['end_step']:,}"
    fell = not by_batches and n["training_fell"]
    share = limits["training_rise" if by_batches else "rise"]
    stays = n["stays_above"] >= share and n["stays_above_sure"] >= limits["above_sure"]
    stays |= n["all_above"] >= limits["training_rise"]
    sure = n["sure"] >= limits["training_sure" if by_batches else "sure"] or stays
    clear = sure and n["rise"] >= limits["least"] and not fell
    fix = _lower_lr(n, strongly=n["share"] >= 0.5)
    if clear and n["share"] >= share:
        return failed(f"{message}, {_above(n['share'])}", fix=fix)
    validation_alone = n["lowest_source"] != TRAINING and n["training_fell_later"]
    way = n["start"] - n["lowest"]
    least = limits["training_lost_share" if n["lowest_source"] == TRAINING else "lost_share"]
    dropped = n["lost"] >= max(limits["lost"] * way, least * n["lowest"], limits["least"])
    dropped &= (
        n["lost_sure"] >= limits["training_sure" if n["lowest_source"] == TRAINING else "sure"]
        or n["later_above"] >= limits["lost_share"]
    )
    if dropped and not validation_alone:
        end = units.nats(n["lowest"] + n["lost"])
        came = "is" if n["lowest_first"] else "had come down to"
        came = f"by {n['lowest_source']} the loss {came} {_low(n)}"
        came += ", the first evaluation," if n["lowest_first"] else ""
        return failed(f"{came} and ends at {end}{of_last(n['lost_last'])}", fix=fix)
    if clear and n["share"] >= limits["training_rise_warn" if by_batches else "rise_warn"]:
        return warned(f"{message}, {_above(n['share'])}", fix=fix)
    return _of_early_rise(n, limits) or _near_zero(n, limits) or passed(message)


def _lower_lr(n: dict[str, Any], *, strongly: bool = False) -> dict[str, float]:
    return fixes.lower_lr(n["planned_rate"], strongly=strongly, usual=n["usual_rate"], borne=n["borne_rate"])


def _low(n: dict[str, Any]) -> str:
    """The lowest loss in words: a level is one of several losses."""
    return f"{units.nats(n['lowest'])} at step {n['lowest_step']:,}{of_others(n['lowest_of'])}"


def _near_zero(n: dict[str, Any], limits: Limits) -> Judgement | None:
    """What training batches show that had come down near zero, and rise to many times that."""
    lowest, times = n["lowest"], limits["least_times"]
    came_down = n["lowest_source"] == TRAINING and 0 < lowest <= n["start"] / limits["least_down"]
    late = n["lowest_step"] >= limits["least_late"] * n["end_step"]
    rose = n["lost"] >= max((times - 1) * lowest, limits["least_near_zero"])
    if not (came_down and late and rose and n["lost_sure"] >= limits["training_sure"]):
        return None
    end = f"{units.nats(lowest + n['lost'])}{of_last(n['lost_last'])}"
    message = f"by training batches the loss had come down to {_low(n)} and ends at {end}"
    return warned(message, fix=_lower_lr(n))


def _of_early_rise(n: dict[str, Any], limits: Limits) -> Judgement | None:
    """What a training loss shows that rises from its first records on and has not come back to them."""
    if (
        "early_start" not in n
        or n["early_sure"] < limits["early_sure"]
        or n["early_end"] < n["early_start"]
        or n["early_peak"] - n["early_start"] < limits["least"]
    ):
        return None
    start, peak, end = (units.nats(n[f"early_{name}"]) for name in ("start", "highest", "end"))
    message = (
        f"the training loss rises from {start}{of_first(n['early_first'])} to {peak} at step"
        f" {n['early_highest_step']:,} and ends at {end}{of_last(n['early_last'])}"
    )
    rise = limits["training_rise"]
    if n["early_end"] >= (1 + rise) * n["early_start"] and n["early_end_sure"] >= limits["early_sure"]:
        return failed(message, fix=_lower_lr(n, strongly=True))
    rose = n["early_peak"] >= (1 + rise) * n["early_start"] and not n["early_harder_rows"]
    return warned(message, fix=_lower_lr(n)) if rose else None
