"""Few tokens are in the loss, so most of the compute is spent on prompts.

## What it does
Computes the share of tokens in the loss among all tokens of the documents in the engine's training batches.

## Why is this bad?
Every token costs the same forward and backward pass, and a gradient from few tokens is noisy.

## Example
A system prompt of 3,000 tokens before answers of ten, and the loss on the last turn only:

```yaml
data:
  train: agent.jsonl
  loss_on: last
```

## Use instead
Shorten what all prompts share, train on all assistant turns instead of the last, and pack short rows.

```yaml
data:
  train: agent.jsonl
  loss_on: assistant
train:
  packing: true
```

## Known problems
If long inputs are the task (summaries, extraction), a small share is normal.
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.labels._scope import require_labels
from sanetune.evidence.batch_stats import BatchStats
from sanetune.finding import Judgement, Measurement, passed, warned

FIX = "none"
DEPENDS_ON = ("rows",)

LIMITS = {
    "share": Limit(
        0.02, "real tool-calling data has 3 % (drone), long customer service 22 %, short answers 38 % to 60 %"
    ),
}


def measure(batch_stats: BatchStats) -> Measurement:
    require_labels(batch_stats)
    split = batch_stats.train
    if not split.loss_tokens:
        raise NotApplicableError("no token is in the loss: see labels-none")
    per = split.loss_tokens / max(1, split.documents)
    return Measurement(
        {
            "learnt": split.loss_tokens,
            "tokens": split.tokens,
            "share": split.loss_tokens / split.tokens,
            "per_document": per,
        }
    )


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    message = (
        f"{units.share(numbers['share'])} of {units.count(numbers['tokens'])} tokens are in the loss,"
        f" {numbers['per_document']:,.0f} per document"
    )
    return warned(message) if numbers["share"] < limits["share"] else passed(message)
