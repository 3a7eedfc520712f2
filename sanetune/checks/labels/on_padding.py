"""Padding is in the loss, or an end token is masked as if it were padding.

## What it does
Counts labels on padding in the engine's own batches and, if the pad token also ends turns, end tokens that are
masked. One token of padding in each row, directly behind its text, is a warning.

## Why is this bad?
Padding in the loss teaches the model to write padding; a masked end token is never learned, so answers never stop.

## Example
A collator that masks by the id of the pad token, while that id also ends turns:

```python
tokenizer.pad_token = tokenizer.eos_token
collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
```

## Use instead
Mask padding by position, as sanetune and TRL do, or give the tokenizer its own pad token.

```python
tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
model.resize_token_embeddings(len(tokenizer))
```
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.labels._scope import require_own_places
from sanetune.evidence.batch_stats import BatchStats
from sanetune.finding import Judgement, Measurement, failed, passed, warned

FIX = "none"
DEPENDS_ON = ("rows",)
VERSION = 2

LIMITS = {"tokens": Limit(0, "padding belongs to no answer, and an end token is not padding")}


def measure(batch_stats: BatchStats, stop_tokens: frozenset[int]) -> Measurement:
    require_own_places(batch_stats)
    pad = batch_stats.pad
    numbers = {
        "padding": batch_stats.total("padding"),
        "learnt": batch_stats.total("padding_in_loss"),
        "behind": batch_stats.total("padding_behind_text"),
        "pad_id": pad,
        "pad_ends_turns": pad is not None and pad in stop_tokens,
        "ends_masked": batch_stats.total("turns_end_masked"),
        "turns": batch_stats.total("turns"),
    }
    if not numbers["padding"] and not (numbers["pad_ends_turns"] and numbers["turns"]):
        raise NotApplicableError("no batch holds padding, and no end that could be taken for it")
    return Measurement(numbers, batch_stats.seen("turns_end_masked"))


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    if numbers["learnt"] > limits["tokens"]:
        if numbers["learnt"] == numbers["behind"]:
            return warned(
                f"of {units.many(numbers['behind'], 'row')} one token of padding is in the loss, the first behind the"
                " text",
                "Let the loss end with the end token.",
            )
        return failed(f"{numbers['learnt']:,} of {units.many(numbers['padding'], 'token')} of padding are in the loss")
    if numbers["pad_ends_turns"] and numbers["ends_masked"]:
        every = numbers["ends_masked"] == numbers["turns"]
        return failed(
            f"{numbers['ends_masked']:,} of {units.many(numbers['turns'], 'turn')} have a masked end token,"
            f" and the pad token (id {numbers['pad_id']}) also ends turns"
            + (": nothing teaches the model to stop" if every else "")
        )
    if not numbers["padding"]:
        return passed(f"the pad token also ends turns, and none of {units.many(numbers['turns'], 'end')} is masked")
    return passed(f"none of {units.many(numbers['padding'], 'token')} of padding is in the loss")
