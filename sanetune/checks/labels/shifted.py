"""Labels are shifted relative to their inputs.

## What it does
Counts labels in the engine's own batches that differ from the input id at the same position, and documents in which
most labels equal the next or the previous input id. Where each label that differs is an end token, it is a warning:
some scripts learn the end of an answer at the token that opens the next turn.

## Why is this bad?
Models in transformers shift labels themselves. Labels that are already shifted teach the token after next: the loss
falls, and the model writes nonsense.

## Example
A collator written for a plain PyTorch loop:

```python
batch["labels"] = batch["input_ids"][:, 1:]
batch["input_ids"] = batch["input_ids"][:, :-1]
```

## Use instead
Set labels equal to `input_ids` for tokens in the loss and to -100 elsewhere, without a shift.

```python
batch["labels"] = batch["input_ids"].masked_fill(~in_loss, -100)
```
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.labels._scope import require_labels
from sanetune.evidence.batch_stats import BatchStats
from sanetune.finding import Judgement, Measurement, failed, passed, warned

FIX = "none"
DEPENDS_ON = ("rows",)

LIMITS = {"tokens": Limit(0, "a causal model's labels are its inputs: transformers' loss functions shift them")}


def measure(batch_stats: BatchStats) -> Measurement:
    require_labels(batch_stats)
    if not batch_stats.total("loss_tokens"):
        raise NotApplicableError("no token is in the loss: see labels-none")
    names = ("changed", "changed_to_end", "shifted", "documents")
    numbers = {name: batch_stats.total(name) for name in names} | {"learnt": batch_stats.total("loss_tokens")}
    return Measurement(numbers, batch_stats.seen("changed"))


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    if numbers["changed"] <= limits["tokens"]:
        return passed(f"all {units.many(numbers['learnt'], 'label')} equal the input at their position")
    labels = units.many(numbers["learnt"], "label")
    message = f"{numbers['changed']:,} of {labels} differ from the input at their position"
    if numbers["changed"] == numbers["changed_to_end"] and not numbers["shifted"]:
        return warned(
            f"{message}: each is an end token, which the model learns to write there",
            "Right where the next turn begins at these places; everywhere else mask them.",
        )
    if numbers["shifted"]:
        message += (
            f"; in {numbers['shifted']:,} of {units.many(numbers['documents'], 'document')} they equal a neighbour's"
        )
    return failed(message)
