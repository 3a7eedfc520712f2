"""Evaluations of different steps give the same validation loss, to the last digit.

## What it does
Looks for three or more evaluations in a row with equal losses, between which the learning rate was not near zero. Where
they are known exactly, to seven digits or to single rows, two are enough if ten steps are between them and training
goes on.
Losses of fewer than five significant digits (two decimals, bf16) are not judged: small changes do not show in them.

## Why is this bad?
Weights that move change a validation loss: they stand still, or another model is evaluated.

## Example
An optimizer that was given the parameters before they were replaced, by an adapter or by a move to another device:

```python
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
model = get_peft_model(model, LoraConfig(target_modules="all-linear"))
```

## Use instead
Give the optimizer the parameters of the model that is trained and evaluated, and see that some need a gradient.

```python
model = get_peft_model(model, LoraConfig(target_modules="all-linear"))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
```

## Known problems
A frozen model without evaluations is hardly told from a slow one (curve-plateau, curve-stalled).
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._applies import fewer, needs_token_loss
from sanetune.curves.changes import finite
from sanetune.curves.digits import digits_of
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"
LIVE = "exact"
VERSION = 4

LIMITS = {
    "equal": Limit(3, "in a row: the last of two may be the best one, loaded again and evaluated at the end"),
    "equal_exactly": Limit(
        2, "the same where they are known exactly, to single rows or by the next limit, and steps follow"
    ),
    "exact_digits": Limit(7, "significant digits: those of a float32, in which no two of a model that moves agree"),
    "exact_steps": Limit(10, "steps in between at least, likewise: float16's scaler halves 65,536 so often at most"),
    "digits": Limit(
        5, "significant digits, which hold 1e-4 of a loss; evaluations of a run that goes on differ by more"
    ),
    "lr_left": Limit(
        0.1, "of the peak learning rate in between; with less the schedule is nearly over, and little moves"
    ),
}


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    evaluations = finite(curve.validation)
    digits = digits_of(one.loss for one in evaluations)
    runs = [list(some) for _, some in groupby(evaluations, key=lambda one: one.loss)]
    longest = max(runs, key=len, default=[])
    # The digits of the equal losses themselves: a round one among long ones may be so by chance.
    exact = digits_of(one.loss for one in longest) >= limits["exact_digits"] or all(one.sums for one in evaluations)
    fewest = limits["equal_exactly" if exact else "equal"]
    if len(evaluations) < fewest:
        raise fewer(len(evaluations), int(fewest), "evaluation", more=" of validation rows")
    if digits < limits["digits"]:
        raise NotApplicableError(
            f"the validation losses have {units.many(digits, 'significant digit')}, in which small changes do not show"
        )
    lrs = [(point.step, point.lr) for point in curve.points if point.lr is not None and math.isfinite(point.lr)]
    same = all(one.sums == longest[0].sums for one in longest)
    first, last = longest[0].step, longest[-1].step
    to_come = curve.growing and last < (curve.total_steps or math.inf)
    followed = to_come or (bool(curve.points) and curve.points[-1].step > last)
    between = [lr for step, lr in lrs if first < step <= last]
    return Measurement(
        {
            "evaluations": len(evaluations),
            "digits": digits,
            "equal": len(longest),
            "exactly": exact and same and followed and last - first >= limits["exact_steps"],
            "first_step": first,
            "last_step": last,
            "loss": longest[0].loss,
            "highest_lr": max(between, default=None),
            "peak_lr": max((lr for _, lr in lrs), default=None),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    counted = units.many(n["evaluations"], "evaluation")
    fewest = limits["equal_exactly" if n["exactly"] else "equal"]
    if n["equal"] < fewest or n["first_step"] == n["last_step"]:
        return passed(f"of {counted} of validation rows no {limits['equal']:g} in a row are equal")
    message = (
        f"{n['equal']:,} of {counted} of validation rows in a row, from step {n['first_step']:,} to"
        f" {n['last_step']:,}, are equal: {n['loss']:.{n['digits']}g}"
    )
    if n["highest_lr"] is None:
        return failed(message) if n["peak_lr"] is None else passed(f"{message}; no learning rate was logged in between")
    if n["highest_lr"] <= limits["lr_left"] * n["peak_lr"]:
        return passed(f"{message}; the learning rate was {units.lr(n['highest_lr'])} at most in between")
    return failed(f"{message}, at learning rates up to {units.lr(n['highest_lr'])}")
