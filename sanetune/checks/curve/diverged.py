"""The loss rises and does not come back.

## What it does
Compares the validation loss at the end with that before the first step, row by row, and with the lowest in between.
Without validation rows it uses the training batches, with their noise. A validation loss that rises while the
training loss falls is `curve-overfit`.

## Why is this bad?
The run ends worse than it began, and later steps do not repair it.

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

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve import _fixes as fixes
from sanetune.curves.changes import TRAINING, overall, since_lowest, training
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.changes import Change
    from sanetune.curves.series import Curve

FIX = "sometimes"

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
    "lost": Limit(0.5, "of the fall in between"),
    "lost_share": Limit(0.2, "of the lowest level"),
    "least": Limit(0.05, "nats; smaller rises are no divergence, whatever their share"),
    "training_fell": Limit(
        1.5,
        "standard errors from which on training counts as falling: rising held-out rows are then curve-overfit's; with"
        " less the two cannot be told apart, and both are reported",
    ),
}


def measure(curve: Curve, limits: Limits) -> Measurement:
    change = overall(curve)
    if change is None:
        raise NotApplicableError("fewer than two evaluations and fewer than four training losses are numbers")
    low = since_lowest(curve) or change
    trained = training(curve)
    later = training(curve, since=low.steps[0])
    return Measurement(
        {
            "source": change.source,
            "start": change.before,
            "end": change.after,
            "end_step": change.steps[1],
            "rise": change.difference,
            "share": change.relative,
            "sure": change.t,
            "lowest_source": low.source,
            "lowest": low.before,
            "lowest_step": low.steps[0],
            "lost": low.difference,
            "lost_sure": low.t,
            "training_fell": _fell(trained, limits),
            "training_fell_later": _fell(later, limits),
            "planned_rate": curve.planned_lr,
        }
    )


def _fell(trained: Change | None, limits: Limits) -> bool:
    """A cross entropy is never below zero: where it is, its sign or scale is wrong, and its fall says nothing."""
    return trained is not None and trained.t < -limits["training_fell"] and trained.after >= 0


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    by_batches = n["source"] == TRAINING
    message = f"by {n['source']} the loss goes from {n['start']:.3f} to {n['end']:.3f} at step {n['end_step']:,}"
    fell = not by_batches and n["training_fell"]
    clear = n["sure"] >= limits["training_sure" if by_batches else "sure"] and n["rise"] >= limits["least"] and not fell
    share = limits["training_rise" if by_batches else "rise"]
    fix = fixes.lower_lr(n["planned_rate"], strongly=n["share"] >= 0.5)
    if clear and n["share"] >= share:
        return failed(f"{message}, {units.share(n['share'])} above its start", fix=fix)
    validation_alone = n["lowest_source"] != TRAINING and n["training_fell_later"]
    way = n["start"] - n["lowest"]
    dropped = n["lost"] >= max(limits["lost"] * way, limits["lost_share"] * n["lowest"], limits["least"])
    dropped &= n["lost_sure"] >= limits["training_sure" if n["lowest_source"] == TRAINING else "sure"]
    if dropped and not validation_alone:
        came = f"by {n['lowest_source']} the loss had come down to {n['lowest']:.3f} at step {n['lowest_step']:,}"
        return failed(f"{came} and ends at {n['lowest'] + n['lost']:.3f}", fix=fix)
    if clear and n["share"] >= limits["training_rise_warn" if by_batches else "rise_warn"]:
        return warned(f"{message}, {units.share(n['share'])} above its start", fix=fix)
    return passed(message)
