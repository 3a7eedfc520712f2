"""Many tokens are the tokenizer's unknown token.

## What it does
Computes the share of unknown tokens in the trainer's own batches.

## Why is this bad?
The model sees a blank where the text has a character or word, and may learn to answer with blanks.

## Example
A tokenizer made for English, on Japanese text:

```yaml
model:
  name: someone/english-only-base
data:
  train: support-ja.jsonl
```

## Use instead
Use the model's own tokenizer; if it is, choose a model that covers the script of these texts.

```yaml
model:
  name: someone/multilingual-base
data:
  train: support-ja.jsonl
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.evidence.batch_stats import BatchStats

FIX = "none"
DEPENDS_ON = ("rows",)

LIMITS = {
    "warn_share": Limit(0.001, "one in a thousand: rare characters in otherwise fitting text stay below; to tune"),
    "fail_share": Limit(0.02, "one in fifty: about one in every sentence or two; to tune"),
}


def measure(batch_stats: BatchStats, tokenizer: PreTrainedTokenizerBase) -> Measurement:
    if tokenizer.unk_token_id is None:
        raise NotApplicableError("the tokenizer has no unknown token")
    if tokenizer.unk_token_id in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        raise NotApplicableError(
            f"the tokenizer's unknown token, {tokenizer.unk_token}, has another use too, and cannot be counted"
        )
    if not batch_stats.total("tokens"):
        raise NotApplicableError("no batch holds a token")
    numbers = {
        "tokens": batch_stats.total("tokens"),
        "unknown": batch_stats.total("unknown_tokens"),
        "token": str(tokenizer.unk_token),
    }
    return Measurement(numbers, batch_stats.seen("unknown_tokens"))


def judge(m: Measurement, limits: Limits) -> Judgement:
    tokens, unknown, name = m.numbers["tokens"], m.numbers["unknown"], m.numbers["token"]
    share = unknown / max(tokens, 1)
    message = f"{unknown:,} of {tokens:,} tokens ({share:.2%}) are {name}, the unknown token."
    if share > limits["fail_share"]:
        return failed(message)
    if share > limits["warn_share"]:
        return warned(message)
    return passed(f"{tokens:,} tokens: no {name} among them." if not unknown else message)
