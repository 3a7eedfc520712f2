"""The best evaluation lies long before the end.

## What it does
Compares the lowest validation loss with the last one where curve-overfit does not speak: the rise is small, or the
training loss rises too. It names the step whose checkpoint is best. After two thirds of the run it needs five later
evaluations, all of them 2 % above it or more.

## Why is this bad?
The steps after the best evaluation cost as much as those before it and made the model worse.

The last checkpoint is not the one to use.

## Example
```yaml
train:
  num_train_epochs: 6
  load_best_model_at_end: false
```

## Use instead
Use the checkpoint at the lowest validation loss (`train.load_best_model_at_end: true` does), and train no longer than
that.

```yaml
train:
  num_train_epochs: 3
  load_best_model_at_end: true
```

## Known problems
With long answers that reason, the lowest validation loss need not be the best model: compare sample answers.

## References
- [Long reasoning data](https://arxiv.org/abs/2602.11149): many epochs on few rows helped while validation loss rose
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.checks.curve import overfit
from sanetune.checks.curve._applies import fewer, needs_log, needs_token_loss
from sanetune.curves.best_checkpoint import keep_best
from sanetune.curves.changes import HELD_OUT, finite, last_step, since_lowest, training
from sanetune.curves.paired import t_statistic
from sanetune.curves.valley import all_later_above
from sanetune.finding import BAD, Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "always"
VERSION = 4

LIMITS = {
    "before": Limit(0.67, "of the steps, by which the lowest evaluation is long before the end"),
    "rise": Limit(0.02, "healthy: within 2 % of its minimum at the end (logs/wild)"),
    "overfit": Limit(0.055, "from which on curve-overfit speaks, unless training rises too"),
    "sure": Limit(3.0, "standard errors of the change between two evaluations"),
    "jump": Limit(0.003, "of the loss: least standard deviation of an evaluation; up to 0.004 in logs/wild"),
    "few": Limit(6, "evaluations, below which their own scatter is not known, and the next counts"),
    "few_jump": Limit(0.01, "the same of few evaluations (curve-overfit)"),
    "training_sure": Limit(3.0, "standard errors from which on training rises (curve-overfit)"),
}


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    needs_log(curve)
    evaluations, change = finite(curve.validation), since_lowest(curve)
    if len(evaluations) < 3 or change is None or change.source != HELD_OUT:
        raise fewer(len(evaluations), 3, "evaluation", more=" of validation rows")
    trained = training(curve, since=change.steps[0])
    few = not change.exact and len(evaluations) < limits["few"]
    jump = limits["few_jump" if few else "jump"]
    error = max(change.std_error, jump * 2**0.5 * change.before)
    return Measurement(
        {
            "evaluations": len(evaluations),
            "lowest": change.before,
            "lowest_step": change.steps[0],
            "end": change.after,
            "steps": last_step(curve),
            "rise": change.relative,
            "later_above": all_later_above([one.loss for one in evaluations]),
            "sure": t_statistic(change.difference, error),
            "training_rose": trained is not None and trained.t > limits["training_sure"],
            "overfits": _overfits(curve),
            "validation_name": curve.validation_name,
        }
    )


def _overfits(curve: Curve) -> bool:
    """Whether curve-overfit speaks: one thing is named once."""
    own = {name: limit.value for name, limit in overfit.LIMITS.items()}
    return overfit.judge(overfit.measure(curve, own), own).verdict in BAD


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    message = (
        f"of {units.many(n['evaluations'], 'evaluation')} that at step {n['lowest_step']:,} of {n['steps']:,} is best:"
        f" {units.nats(n['lowest'])}, at the end {units.nats(n['end'])}"
    )
    rises = n["rise"] >= limits["rise"] and n["sure"] >= limits["sure"]
    # Five evaluations and more, all of them above the lowest, are no accident of the last one, however late they are.
    over = n["lowest_step"] <= limits["before"] * n["steps"] or n["later_above"] >= limits["rise"]
    if not rises or not over:
        return passed(message)
    if n["overfits"] or (n["rise"] >= limits["overfit"] and not n["training_rose"]):
        return passed(f"{message}; curve-overfit judges that")
    remedy = f"Use the checkpoint nearest to step {n['lowest_step']:,}."
    return warned(message, remedy, keep_best(n["validation_name"]))
