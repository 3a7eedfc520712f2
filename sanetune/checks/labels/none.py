"""Every label of the example is masked.

## What it does
Counts documents in the engine's training and validation batches in which every label is -100.

## Why is this bad?
A batch of such rows has a gradient of 0.0, and in validation they make the run look better than it is.

## Example
Prompts that fill `max_length`:

```yaml
train:
  max_length: 512           # prompts have 600 tokens
data:
  overlong: cut
```

## Use instead
Repair those rows, raise `train.max_length` if the prompt fills it, and let sanetune make the masks.

`data.loss_on: assistant` finds the turns of any template.

```yaml
train:
  max_length: 2048
data:
  overlong: drop
```
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.checks.labels._scope import require_labels
from sanetune.evidence.batch_stats import BatchStats
from sanetune.finding import Judgement, Measurement, failed, passed, warned

FIX = "none"
DEPENDS_ON = ("rows",)

LIMITS = {
    "share": Limit(0.01, "below one row in a hundred the gradients hardly change; more of them point to a wrong mask"),
}


def measure(batch_stats: BatchStats) -> Measurement:
    if batch_stats.total("documents"):
        require_labels(batch_stats)
    numbers = {side.split: {"documents": side.documents, "blank": side.fully_masked} for side in batch_stats.splits}
    return Measurement(
        {"splits": numbers, "documents": batch_stats.total("documents"), "blank": batch_stats.total("fully_masked")},
        batch_stats.seen("fully_masked"),
    )


def judge(measured: Measurement, limits: Limits) -> Judgement:
    blank, documents = measured.numbers["blank"], measured.numbers["documents"]
    if not measured.numbers["splits"]["train"]["documents"]:
        return failed("there is no row to train on: trainers drop rows in which every label is masked")
    if not blank:
        return passed(f"each of {units.many(documents, 'document')} has tokens in the loss")
    where = ", ".join(
        f"{one['blank']:,} in {split}" for split, one in measured.numbers["splits"].items() if one["blank"]
    )
    message = f"{blank:,} of {units.many(documents, 'document')} have only masked labels ({where})"
    held_out = measured.numbers["splits"].get("validation", {"blank": 0})["blank"]
    return failed(message) if blank > limits["share"] * documents or held_out else warned(message)
