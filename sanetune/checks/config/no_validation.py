"""No validation rows are evaluated, so nothing measures generalisation.

## What it does
Checks that rows are held out for validation, that there are enough of them, and that they are evaluated during the
run. On a trainer that somebody has built it is skipped where a callback of the user's own evaluates: the rows that it
takes are not seen.

## Why is this bad?
Training loss alone cannot distinguish memorisation from learning. Without validation rows, overfitting, the best
checkpoint and the learning rate cannot be judged.

## Example
TRL's default is `eval_strategy: "no"`:

```yaml
data:
  train: support.jsonl
  holdout: 0
```

## Use instead
Hold out 10 to 20 % of the rows (`data.holdout: 0.1`) or name a file (`data.validation`), and evaluate every few
dozen steps.

```yaml
data:
  train: support.jsonl
  holdout: 0.1
train:
  eval_strategy: steps
  eval_steps: 50
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings

FIX = "sometimes"

LIMITS = {
    "fewest_rows": Limit(
        10,
        "losses of single rows differ by about 0.5 nats (RECIPES 7: 0.24 to 0.27 between batches of 16 short rows), so"
        " the mean of 10 is uncertain by about 0.16: more than good learning rates differ from each other",
    ),
    "share": Limit(0.1, "10 to 20 % held out is usual; the fix proposes this share"),
}


def measure(run_settings: RunSettings) -> Measurement:
    """Count training and validation rows, and read when validation rows are evaluated."""
    data, monitoring = run_settings.data, run_settings.monitoring
    if data.validation_size_unknown and monitoring.eval_strategy != "no":
        raise NotApplicableError("validation rows come from a stream, whose length is not known")
    if monitoring.evaluated_by and (not data.validation_examples or monitoring.eval_strategy == "no"):
        raise NotApplicableError(
            f"{' and '.join(monitoring.evaluated_by)}, a callback of your own, evaluates: which rows is not seen here"
        )
    rows = data.train_examples + data.validation_examples
    return Measurement(
        {
            "train_examples": data.train_examples,
            "validation_examples": data.validation_examples,
            "reason": data.not_held_out,
            "validation_share": data.validation_examples / rows if rows else 0.0,
            "eval_strategy": monitoring.eval_strategy,
            "eval_steps": run_settings.steps.eval_steps,
            "eval_strategy_given": "eval_strategy" in run_settings.given,
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Warn in each case: the model may be good, but nothing says so before it is used."""
    n = m.numbers
    rows, off = n["validation_examples"], n["eval_strategy"] == "no"
    if not rows:
        fix = {"data.holdout": limits["share"]} | ({"train.eval_strategy": "steps"} if n["eval_strategy_given"] else {})
        count = n["train_examples"]
        others = f"all {count:,} are trained on" if count else "how many are trained on is not known (a stream)"
        if (reason := n["reason"]) and not reason.startswith("data.holdout"):
            return warned(f"0 rows are held out, since {reason}; {others}.", "Give other rows in data.validation.")
        return warned(f"0 rows are held out{f' ({reason})' if reason else ''}; {others}.", fix=fix)
    if off:
        return warned(
            f"{rows:,} rows are held out, but eval_strategy is no: they are never evaluated during training.",
            fix={"train.eval_strategy": "steps"},
        )
    if rows < limits["fewest_rows"]:
        return warned(
            f"Only {rows} held-out {'row is' if rows == 1 else 'rows are'} evaluated: below {limits['fewest_rows']},"
            " the mean loss says more about these rows than about the model.",
            "Hold out more rows.",
        )
    when = f"every {n['eval_steps']:,} steps" if n["eval_steps"] else f"by {n['eval_strategy']}"
    return passed(f"{rows:,} held-out rows ({units.share(n['validation_share'])} of all) are evaluated {when}.")
