"""`max_length` truncates answers before their end.

## What it does
Counts documents in the trainer's own batches that stop inside an assistant turn, before its end token.

## Why is this bad?
The model learns that answers break off in mid-sentence and that no end token follows.

## Example
TRL's default `max_length` is 1,024 tokens, and longer rows are truncated without a message:

```yaml
train:
  max_length: 1024
data:
  overlong: cut
```

## Use instead
Raise `train.max_length` if model and memory allow it, shorten the rows, or drop them whole (`data.overlong: drop`).

```yaml
train:
  max_length: 4096
data:
  overlong: drop
```

## References
- [trl#2400](https://github.com/huggingface/trl/issues/2400)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.batch_stats import BatchStats
    from sanetune.evidence.run_settings import RunSettings

FIX = "none"
DEPENDS_ON = ("rows",)

LIMITS = {
    "share": Limit(0.01, "one answer in a hundred without an end is taught often enough to show (trl#2400); to tune"),
}


def measure(batch_stats: BatchStats, run_settings: RunSettings) -> Measurement:
    if not batch_stats.total("turns") + batch_stats.total("truncated"):
        raise NotApplicableError("no answer is in the loss, so that none can be truncated")
    numbers = {
        "documents": batch_stats.total("documents"),
        "cut": batch_stats.total("truncated"),
        "cut_by_split": {side.split: side.truncated for side in batch_stats.splits},
        "max_length": run_settings.data.max_length,
        "context": run_settings.model.context,
    }
    return Measurement(numbers, batch_stats.seen("truncated"))


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    documents, cut, length, context = n["documents"], n["cut"], n["max_length"], n["context"]
    at = f"max_length {length:,}" if length else "the limit"
    if not cut:
        return passed(f"{documents:,} documents: {at} truncates no answer.")
    share = cut / max(documents, 1)
    message = f"{cut:,} of {documents:,} documents ({units.share(share)}) stop inside an answer, at {at}."
    remedy = "Shorten these rows, or drop them whole (`data.overlong: drop`)."
    if length and context and length < context:
        remedy = f"Raise train.max_length (the model takes {context:,} tokens), shorten these rows, or drop them whole."
    return failed(message, remedy) if share > limits["share"] else warned(message, remedy)
