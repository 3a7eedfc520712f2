"""Tokens of an answer are masked although they should be in the loss.

## What it does
Counts masked labels in the engine's own batches on tokens that the independent derivation assigns to an assistant
message that should be trained on. Rows that follow no chat template are judged by the header that they share before
the part in the loss (`### Response:`): where the loss begins some tokens behind it, the answer's first tokens are
masked.

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
from sanetune.checks.labels._scope import (
    BORDER,
    format_numbers,
    format_of,
    require_masks,
    require_own_places,
    with_roles,
)
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.run_settings import RunSettings
from sanetune.finding import Judgement, Measurement, failed, passed, warned
from sanetune.text import one_line

FIX = "none"
DEPENDS_ON = ("rows",)
VERSION = 2

LIMITS = {
    "tokens": Limit(0, "the configuration puts all of them into the loss"),
    "share": Limit(0.01, "of rows without a template: one in a hundred may be the tokenizer's doing; to tune"),
}


def measure(batch_stats: BatchStats, run_settings: RunSettings) -> Measurement:
    require_masks(run_settings)
    require_own_places(batch_stats)
    if not with_roles(batch_stats):
        found = format_of(batch_stats)
        if found.whole:
            raise NotApplicableError("nothing is masked")
        if found.inside:
            raise NotApplicableError("the loss begins inside prompts, which labels-on-prompt tells")
        return Measurement({"format": format_numbers(found)}, batch_stats.seen("format_late"))
    missing = batch_stats.total("missing_reply")
    in_loss = sum(side.loss_tokens_by["assistant"] for side in batch_stats.splits)
    numbers = {"missing": missing, "learnt": in_loss, "loss_on": run_settings.data.loss_on}
    if not missing + in_loss:
        raise NotApplicableError("no batch holds a token of an answer")
    return Measurement(numbers, batch_stats.seen("missing_reply"))


def judge(measured: Measurement, limits: Limits) -> Judgement:
    if "format" in measured.numbers:
        return _by_format(measured, limits)
    missing, in_loss = measured.numbers["missing"], measured.numbers["learnt"]
    if missing <= limits["tokens"]:
        return passed(f"all {units.many(in_loss, 'token')} of the answers are in the loss")
    whole = missing + in_loss
    return failed(
        f"{units.many(missing, 'token')} of {whole:,} in the answers are masked ({units.share(missing / whole)})"
    )


def _by_format(measured: Measurement, limits: Limits) -> Judgement:
    """Rows without a chat template: by the header that they share."""
    n = measured.numbers["format"]
    places, header = units.many(n["borders"], "place"), f"“{one_line(n['header'], 40)}”"
    if not n["late"]:
        return passed(f"at {places} the loss begins directly behind {header}")
    message = (
        f"at {n['late']:,} of {places} the first {n['late_tokens'] / n['late']:.3g} tokens behind {header} are masked:"
        " the answers' beginnings are not learned"
    )
    return failed(message, BORDER) if n["late"] > limits["share"] * n["borders"] else warned(message, BORDER)
