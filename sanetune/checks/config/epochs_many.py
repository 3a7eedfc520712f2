"""The run makes so many passes over so few rows that the model will memorise them.

## What it does
Counts how often the run passes over each training row, from `num_train_epochs` or `max_steps`.

## Why is this bad?
From about the third pass on, the model recognises rows instead of learning from them. Training loss improves while
validation loss rises.

## Example
```yaml
train:
  num_train_epochs: 30      # on 500 rows
```

## Use instead
Train for 2 to 5 epochs, keep the checkpoint with the lowest validation loss, or collect more rows.

```yaml
train:
  num_train_epochs: 3
  load_best_model_at_end: true
```

## Known problems
LIMA trained 15 epochs on 1,000 rows and selected the checkpoint by reading answers. The limit allows that.

## References
- [LIMA](https://arxiv.org/abs/2305.11206), [s1](https://arxiv.org/abs/2501.19393)
- [transformers#18730](https://github.com/huggingface/transformers/issues/18730): loss curves with a drop at every
  epoch
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings

FIX = "always"

LIMITS = {
    "epochs": Limit(
        15,
        "LIMA went 15 times over 1,000 rows, the most of any published recipe known here, and chose the checkpoint by"
        " hand; s1 went 5 times over 1,000 rows; transformers#18730 shows the steps of memorising from epoch 2 on",
    ),
    "few_rows": Limit(200, "a fifth of the rows of LIMA and s1, the smallest published sets"),
    "epochs_few_rows": Limit(10, "twice the passes of s1, for sets far smaller than its 1,000 rows"),
    "usual": Limit(3, "epochs of Alpaca and Tulu 2: what the fix proposes"),
}


def measure(run_settings: RunSettings) -> Measurement:
    """Count passes over the rows; ``by_steps``: max_steps says how long the run is."""
    steps, data = run_settings.steps, run_settings.data
    if not data.train_examples:
        raise NotApplicableError("the number of rows is not known")
    return Measurement(
        {
            "epochs": steps.epochs,
            "train_examples": data.train_examples,
            "packing": data.packing,
            "steps_per_epoch": steps.steps_per_epoch,
            "by_steps": int(run_settings.given.get("max_steps") or -1) > 0,
            "loss_tokens": data.loss_tokens,
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Warn above the limit; a stricter one holds for few rows, but not for packs, each of which has many."""
    n = m.numbers
    few = 0 < n["train_examples"] < limits["few_rows"] and not n["packing"]
    limit = min(limits["epochs"], limits["epochs_few_rows"]) if few else limits["epochs"]
    unit = "packs" if n["packing"] else "rows"
    if n["epochs"] > limit:
        fix = (
            {"train.max_steps": max(1, round(limits["usual"] * n["steps_per_epoch"]))}
            if n["by_steps"]
            else {"train.num_train_epochs": float(limits["usual"])}
        )
        published = "LIMA: 15 times over 1,000 rows" if not few else "s1: 5 times over 1,000 rows"
        return warned(
            f"Each of {n['train_examples']:,} {unit} is used {units.epochs(n['epochs'])} times; published recipes stay"
            f" below {limit} ({published}).",
            fix=fix,
        )
    return passed(f"{units.epochs(n['epochs'])} passes over {n['train_examples']:,} {unit}; up to {limit} have worked.")
