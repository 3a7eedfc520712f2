"""The data contains token ids for which the model has no embedding.

## What it does
Compares the smallest and the largest id in the trainer's own batches with the number of rows of the model's input
embedding.

## Why is this bad?
On a GPU this ends in an assertion that names neither row nor token; on other devices it can read foreign memory.

## Example
Tokens were added to the tokenizer, and the embedding was not resized:

```python
tokenizer.add_tokens(["<tool>", "</tool>"])
```

## Use instead
Use the model's own tokenizer, or resize the embedding.

```python
tokenizer.add_tokens(["<tool>", "</tool>"])
model.resize_token_embeddings(len(tokenizer))
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.evidence.batch_stats import BatchStats
    from sanetune.evidence.run_settings import RunSettings

FIX = "none"
DEPENDS_ON = ("rows",)


def measure(batch_stats: BatchStats, run_settings: RunSettings) -> Measurement:
    if run_settings.model.embedding_rows is None:
        raise NotApplicableError("how many ids the model can look up is not known")
    largest = max(side.largest_id for side in batch_stats.splits)
    if largest < 0 and not batch_stats.total("tokens"):
        raise NotApplicableError("no batch holds a token")
    numbers = {
        "largest_id": largest,
        "smallest_id": min(side.smallest_id for side in batch_stats.splits),
        "embedding_rows": run_settings.model.embedding_rows,
        "tokens": batch_stats.total("tokens"),
    }
    return Measurement(numbers, [*batch_stats.seen("largest_id"), *batch_stats.seen("smallest_id")][:5])


def judge(m: Measurement, limits: Limits) -> Judgement:
    largest, smallest, rows = m.numbers["largest_id"], m.numbers["smallest_id"], m.numbers["embedding_rows"]
    if largest >= rows:
        return failed(
            f"The data holds token id {largest:,}; the model's embedding has {rows:,} rows (0 to {rows - 1:,})."
        )
    if smallest < 0:
        return failed(f"The data holds token id {smallest:,}; ids begin at 0.")
    return passed(f"{m.numbers['tokens']:,} tokens: the largest id is {largest:,}, of {rows:,} that the model has.")
