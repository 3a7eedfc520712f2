"""The loss oscillates instead of falling.

## What it does
Counts upward swings of the loss on a small fixed batch of validation rows, evaluated every few steps: it has no batch
noise. Without such evaluations, it looks for training losses that scatter by more than
they have fallen, beside a validation loss that has not fallen either.

## Why is this bad?
Steps that are too large overshoot the minimum, and the run ends wherever the last swing leaves it.

## Example
```yaml
train:
  learning_rate: 1.0e-3     # all weights of a 1B model
```

## Use instead
Lower `train.learning_rate` to the proposed value.

```yaml
train:
  learning_rate: 1.0e-4
```

## Known problems
A learning rate that is ten to thirty times too high under clipping falls smoothly and ends higher: no swing shows it
(curve-rate-beaten does). Training losses alone show swings only where they are larger than the scatter of batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.checks.curve import _fixes as fixes
from sanetune.checks.curve._applies import fewer, needs_token_loss
from sanetune.curves.changes import finite, learned_points, peak_step
from sanetune.curves.robust import level, noise, relative_noise, swings
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve, Evaluation, Point

FIX = "sometimes"
VERSION = 3

LIMITS = {
    "warn": Limit(2, "swings; clean runs on stories260k have none of this height"),
    "fail": Limit(4, "swings; one in ten evaluations of a short trial"),
    "height": Limit(
        0.1,
        "of the lowest loss, that a swing has at least; at good learning rates on stories260k none is above 0.06 (one"
        " in 40 evaluations)",
    ),
    "height_of_fall": Limit(0.05, "of the whole fall of the loss, likewise; a choice: a twentieth is no setback"),
    "height_least": Limit(0.05, "nats, likewise; a choice: a loss near 0 may double without harm"),
    "scatter": Limit(
        0.8,
        "of the level, where only batches are known: batches of one row scatter by up to 0.5, and mean nothing by it",
    ),
    "fall": Limit(1.0, "standard deviations of one loss; a choice: what falls by more is learned, however it scatters"),
    "validation": Limit(0.02, "that the validation loss falls by: then the model learns, whatever batches hide"),
}

FEWEST = 8
"""Evaluations after warm-up in which a swing can be seen; three times as many training losses."""


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    evaluations = finite(curve.fixed_batch)
    warm = peak_step(curve)
    after = [one for one in evaluations if one.step >= warm]
    if len(after) >= FEWEST:
        return Measurement({"planned_rate": curve.planned_lr, **_of_evaluations(evaluations[0], after, limits)})
    points = learned_points(curve)
    if len(points) < 3 * FEWEST:
        raise fewer(len(points), 3 * FEWEST, "training loss", "training losses")
    return Measurement({"planned_rate": curve.planned_lr, **_of_points(points, curve)})


def _of_evaluations(first: Evaluation, after: list[Evaluation], limits: Limits) -> dict[str, object]:
    losses = [one.loss for one in after]
    lowest = min(losses)
    fall = max(first.loss, losses[0]) - lowest
    height = max(limits["height"] * lowest, limits["height_of_fall"] * fall, limits["height_least"])
    found = swings(losses, height)
    # A rise that does not come down again is no swing (see curve-diverged), the last one may still.
    last = losses[-1]
    if found and max(losses[-3:]) == max(losses) and last > lowest + height:
        found = found[:-1]
    return {
        "source": "probe",
        "looks": len(losses),
        "height": height,
        "swings": len(found),
        "highest": max(found, default=0.0),
        "start": first.loss,
        "end": last,
        "scatter": noise(losses) / lowest if lowest > 0 else 0.0,
    }


def _of_points(points: list[Point], curve: Curve) -> dict[str, object]:
    warm = peak_step(curve)
    after = [point.loss for point in points if point.step >= warm] or [point.loss for point in points]
    scatter, third = noise(after), max(3, len(after) // 3)
    start, end = level(after[:third], scatter), level(after[-third:], scatter)
    held_out = [one.loss for one in finite(curve.validation)]
    return {
        "source": "points",
        "looks": len(after),
        "start": start.value,
        "end": end.value,
        "scatter": relative_noise(after),
        "fall": (start.value - end.value) / scatter if scatter > 0 else 0.0,
        "validation_fall": 1 - held_out[-1] / held_out[0] if len(held_out) > 1 and held_out[0] > 0 else None,
    }


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["source"] == "points":
        message = (
            f"training losses scatter by {units.share(n['scatter'])} of their level about their trend, which goes from"
            f" {n['start']:.2f} to {n['end']:.2f}"
        )
        # Without a validation loss nobody knows whether scattering batches of a few rows teach nothing.
        falls = (
            n["fall"] >= limits["fall"] or n["validation_fall"] is None or n["validation_fall"] >= limits["validation"]
        )
        if n["scatter"] > limits["scatter"] and not falls:
            remedy = "Batches alone do not show it: evaluate a fixed batch of validation rows, or use larger batches."
            return warned(message, remedy)
        return passed(message)
    message = (
        f"in {n['looks']:,} evaluations of a fixed batch the loss rose {units.many(n['swings'], 'time')} by"
        f" {n['height']:.2f} or more"
    )
    if n["swings"] < limits["warn"]:
        return passed(message)
    message = f"{message}, at most by {n['highest']:.2f}; it began at {n['start']:.2f} and ends at {n['end']:.2f}"
    hot = n["swings"] >= limits["fail"]
    fix = fixes.lower_lr(n["planned_rate"], strongly=hot and n["end"] > 0.8 * n["start"])
    return failed(message, fix=fix) if hot else warned(message, fix=fix)
