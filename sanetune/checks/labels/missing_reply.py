"""Tokens of an answer are masked although they should be in the loss.

## What it does
Counts masked labels in the engine's own batches on tokens that the independent derivation assigns to an assistant
message that should be trained on.

## Why is this bad?
Masked tokens are never learned. A mask that covers the beginning of each answer teaches only how to continue one.

All-zero masks train nothing and still write checkpoints.

## Example
A response template that does not match the chat template:

```python
# the template writes <|im_start|>assistant
collator = CompletionOnlyCollator("<|assistant|>", tokenizer)
```

## Use instead
Let sanetune make the labels (`data.loss_on: assistant`), or repair the response template; `sanetune data CONFIG`
shows the rows.

```yaml
data:
  train: support.jsonl
  loss_on: assistant
```
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.run_settings import RunSettings
from sanetune.finding import Judgement, Measurement, failed, passed

FIX = "none"
DEPENDS_ON = ("rows",)

LIMITS = {"tokens": Limit(0, "the configuration puts all of them into the loss")}


def measure(batch_stats: BatchStats, run_settings: RunSettings) -> Measurement:
    if run_settings.data.loss_on == "all":
        raise NotApplicableError("every token is in the loss (data.loss_on: all)")
    numbers = {
        "missing": batch_stats.total("missing_reply"),
        "learnt": sum(side.loss_tokens_by["assistant"] for side in batch_stats.splits),
        "loss_on": run_settings.data.loss_on,
    }
    return Measurement(numbers, batch_stats.seen("missing_reply"))


def judge(measured: Measurement, limits: Limits) -> Judgement:
    missing, in_loss = measured.numbers["missing"], measured.numbers["learnt"]
    if missing <= limits["tokens"]:
        return passed(f"all {units.many(in_loss, 'token')} of the answers are in the loss")
    whole = missing + in_loss
    return failed(
        f"{units.many(missing, 'token')} of {whole:,} in the answers are masked ({units.share(missing / whole)})"
    )
