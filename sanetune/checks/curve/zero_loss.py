"""The loss or the gradient norm is exactly zero.

## What it does
Counts training losses, validation losses and gradient norms that are exactly 0 while their neighbours are not near it
(some logs round a very small loss to 0). In a log of two decimals a loss of 0 counts only where its gradient norm is
not above 0 and no neighbour is near 0: 0.004 is printed as 0.00.

## Why is this bad?
A step with a loss of 0 teaches nothing and costs as much as any other; a validation loss of 0 means nothing.

## Example
`max_length` truncates every answer of a batch, so that no token remains in the loss:

```yaml
train:
  max_length: 256           # prompts have 400 tokens
data:
  overlong: cut
```

## Use instead
Inspect the labels with `sanetune data CONFIG`, and raise `train.max_length` or drop the rows whose answers it
truncates.

```yaml
train:
  max_length: 1024
data:
  overlong: drop
```

## Known problems
A Trainer that hides NaN losses (`logging_nan_inf_filter`) logs 0 for one where every step is logged: see curve-nan.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._applies import needs_token_loss
from sanetune.curves.changes import finite, points_of, training
from sanetune.curves.series import Evaluation, Point
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"
LIVE = "recent"
VERSION = 3

LIMITS = {
    "share": Limit(0.02, "one empty batch in fifty; below that it is a matter of single rows (labels-none)"),
    "rounded": Limit(0.01, "neighbours below it: the loss is near 0, and the log rounds it (Trainers had four digits)"),
    "few": Limit(4, "gradient norms, all of them 0, below which a fall of the loss could not be told either"),
    "training_sure": Limit(4.0, "standard errors of a fall: no gradient of 0 can have made it"),
}

NEIGHBOURS = 5
"""Losses on each side that a zero is compared with."""
DECIMALS, UNITS = 2, 5
"""Decimals up to which a log is coarse, and the units of the last one below which its losses are near 0: 0.004 is
printed as 0.00 beside 0.02."""


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    points, evaluations = points_of(curve), finite(curve.validation)
    if not points and not evaluations:
        raise NotApplicableError("no loss was logged")
    norms = [point for point in points if point.grad_norm is not None]
    zero_norms = sum(point.grad_norm == 0 for point in norms)
    zeros = _isolated_zeros(points, limits["rounded"])
    zero_evaluations = _isolated_zeros(evaluations, limits["rounded"])
    return Measurement(
        {
            "points": len(points),
            "zeros": len(zeros),
            "first_step": zeros[0] if zeros else None,
            "zero_at_the_end": bool(points and zeros and zeros[-1] == points[-1].step),
            "looks": len(evaluations),
            "zero_looks": len(zero_evaluations),
            "norms": len(norms),
            "zero_norms": zero_norms,
            # Some programs log a gradient norm of 0 because they do not take it.
            "norms_untaken": bool(norms) and zero_norms == len(norms) and _falls(curve, limits["training_sure"]),
        }
    )


def _isolated_zeros(series: Sequence[Point | Evaluation], rounded: float) -> list[int]:
    """Steps with a loss of 0 whose neighbours are not near it, or that have none."""
    losses = [one.loss for one in series]
    coarse = all(math.isclose(loss, round(loss, DECIMALS), abs_tol=1e-9) for loss in losses)
    found = []
    for place, one in enumerate(series):
        if one.loss == 0:
            around = [loss for loss in losses[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1] if loss != 0]
            earlier = [loss for loss in losses[:place] if loss != 0][-NEIGHBOURS:]
            some = around or earlier or [1.0]
            # A loss that is 0 has a gradient of 0; where norms are not finite, the loss was hidden, not rounded.
            small = coarse and (min(some) <= UNITS * 10**-DECIMALS or _moves(one))
            if not small and statistics.median(some) > rounded:
                found.append(one.step)
    return found


def _moves(one: Point | Evaluation) -> bool:
    """Whether the gradient norm beside a loss is above 0."""
    norm = one.grad_norm if isinstance(one, Point) else None
    return norm is not None and math.isfinite(norm) and norm > 0


def _falls(curve: Curve, sure: float) -> bool:
    """Whether the training loss falls by so many standard errors, as it could not with a gradient of zero."""
    change = training(curve)
    return change is not None and change.t < -sure


def at(m: Measurement) -> int | None:
    """The first step with a loss of 0."""
    step: int | None = m.numbers["first_step"]
    return step


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["zero_looks"]:
        of = units.many(n["looks"], "evaluation")
        return failed(f"{n['zero_looks']:,} of {of} of validation rows gave a loss of exactly 0")
    zeros = [part for part in (_of_losses(n, limits), _of_norms(n, limits)) if part is not None]
    if zeros:
        message = "; ".join(words for words, _ in zeros)
        return failed(message) if any(many for _, many in zeros) else warned(message)
    untaken = "; gradient norms are logged as 0 throughout, though the loss falls" if n["norms_untaken"] else ""
    evaluations = f" and {units.many(n['looks'], 'evaluation')} of validation rows" if n["looks"] else ""
    points = units.many(n["points"], "training loss", "training losses")
    return passed(f"none of {points}{evaluations} is 0 among others that are not{untaken}")


def _of_losses(n: dict[str, Any], limits: Limits) -> tuple[str, bool] | None:
    """How many training losses are 0, in words, and whether they are many; None: none."""
    if not n["zeros"]:
        return None
    points = units.many(n["points"], "training loss", "training losses")
    many = n["zeros"] > max(1, limits["share"] * n["points"]) or n["zeros"] == n["points"]
    return f"{n['zeros']:,} of {points} are exactly 0, the first at step {n['first_step']:,}", many


def _of_norms(n: dict[str, Any], limits: Limits) -> tuple[str, bool] | None:
    """The same of gradient norms. Of few records nobody knows whether the loss falls, and the norms were not taken."""
    if not n["zero_norms"] or n["norms_untaken"]:
        return None
    few = n["zero_norms"] == n["norms"] < limits["few"]
    many = n["zero_norms"] > max(1, limits["share"] * n["norms"]) and not few
    return f"{n['zero_norms']:,} of {units.many(n['norms'], 'gradient norm')} are exactly 0", many
