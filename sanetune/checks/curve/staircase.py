"""Training loss drops at the boundaries of epochs, a sign of memorisation.

## What it does
Compares the drop of the training loss at each epoch boundary with its fall within the epoch. Validation rows that
continue to improve overrule it.

## Why is this bad?
A row that is known better the second time, while other rows are not, is memorised.

## Example
```yaml
train:
  num_train_epochs: 8
  learning_rate: 1.0e-4
```

## Use instead
Train for fewer epochs or at a lower learning rate, and set rows aside for validation.

```yaml
data:
  holdout: 0.1
train:
  num_train_epochs: 3
```

## References
- [transformers#18730](https://github.com/huggingface/transformers/issues/18730)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._epochs import boundaries
from sanetune.curves.changes import HELD_OUT, since_lowest
from sanetune.curves.paired import t_statistic
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"

LIMITS = {
    "drop": Limit(0.12, "of the loss; a healthy run had drops of 7 and 10 % (logs/wild), three staircases 24 to 50 %"),
    "sure": Limit(3.0, "standard errors"),
    "boundaries": Limit(2, "one drop can be chance, or a change of the learning rate"),
    "inside": Limit(0.5, "of the drop: what falls within the epoch must be less"),
    "held_out": Limit(0.02, "above its minimum, within which the held-out loss still holds: healthy (logs/wild)"),
}


def measure(curve: Curve, limits: Limits) -> Measurement:
    found = boundaries(curve)
    if len(found) < 2:
        raise NotApplicableError("fewer than two boundaries of epochs have enough logged steps on both sides")
    change = since_lowest(curve)
    improving = change is not None and change.source == HELD_OUT and change.relative < limits["held_out"]
    return Measurement(
        {
            "boundaries": [
                {
                    "epoch": one.epoch,
                    "before": one.before,
                    "after": one.after,
                    "drop": one.drop / one.before if one.before > 0 else 0.0,
                    "sure": t_statistic(one.drop, one.std_error),
                    "inside": one.inside / one.drop if one.drop > 0 else 1.0,
                }
                for one in found
            ],
            "held_out_holds": improving,
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    steps = [
        one
        for one in n["boundaries"]
        if one["drop"] >= limits["drop"] and one["sure"] >= limits["sure"] and one["inside"] <= limits["inside"]
    ]
    scope = units.many(len(n["boundaries"]), "boundary", "boundaries")
    if len(steps) < limits["boundaries"]:
        return passed(f"the training loss drops clearly at {len(steps)} of {scope} of epochs")
    worst = max(steps, key=lambda one: one["drop"])
    message = (
        f"the training loss drops at {len(steps)} of {scope} of epochs and hardly between them: after epoch"
        f" {worst['epoch']} from {worst['before']:.3f} to {worst['after']:.3f}"
    )
    if n["held_out_holds"]:
        return passed(f"{message}; the held-out loss is at its minimum all the same")
    return warned(message)
