"""Training losses are several times the validation losses throughout: they are not on one scale.

## What it does
Divides the training loss around each evaluation by the validation loss, and looks for a ratio of three or more (of two
where the first training loss is above what guessing costs, as that of a sum is) that stays the same, as far as the
noise of batches lets it. Evaluations of the first epoch decide, where there are two: rows that are seen again are known
better.

## Why is this bad?
A loss that is added up instead of averaged cannot be compared with published ones.

Where the gradient is added up with it, the learning rate counts as many times.

## Example
A trainer whose own loss is a sum over micro-batches:

```python
def compute_loss(self, model, inputs, num_items_in_batch=None, **more):
    return model(**inputs).loss  # no division by micro-batches
```

## Use instead
Divide by the tokens of all micro-batches (`num_items_in_batch`), or update transformers.

```python
def compute_loss(self, model, inputs, num_items_in_batch=None, **more):
    more["num_items_in_batch"] = num_items_in_batch
    return super().compute_loss(model, inputs, **more)
```

## Known problems
A sum cannot be told from labels that are wrong where there is no validation loss, or only one evaluation.

## References
- [transformers#34191](https://github.com/huggingface/transformers/pull/34191): losses of accumulated batches
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import NotApplicableError
from sanetune.checks.curve._applies import fewer, needs_token_loss
from sanetune.curves.changes import finite, points_of
from sanetune.curves.scale import times_validation
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.checks.base import Limits
    from sanetune.curves.series import Curve

FIX = "none"
VERSION = 4


def measure(curve: Curve) -> Measurement:
    needs_token_loss(curve)
    evaluations = finite(curve.validation)
    if not points_of(curve):
        raise NotApplicableError("no training loss was logged")
    if len(evaluations) < 2:
        raise fewer(len(evaluations), 2, "evaluation", more=" of validation rows")
    return Measurement({"evaluations": len(evaluations), "times": times_validation(curve)})


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    evaluations = units.many(n["evaluations"], "evaluation")
    if n["times"] is None:
        return passed(f"training and validation losses are on one scale at {evaluations}")
    return warned(f"training losses are about {n['times']:.3g} times the validation losses, at all of {evaluations}")
