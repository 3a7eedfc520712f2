"""Examples have two beginning-of-sequence tokens.

## What it does
Counts documents in the trainer's own batches whose first two tokens are both the tokenizer's beginning-of-sequence
token, and documents that have it again where the loss begins behind the prompt.

## Why is this bad?
The base model was never trained with two, and inference gives one.

## Example
The template writes the token, and the tokenizer adds it again:

```python
tokenizer(tokenizer.apply_chat_template(messages, tokenize=False))
```

Or prompt and answer are tokenized one by one, each with the token, and joined:

```python
ids = tokenizer(prompt)["input_ids"] + tokenizer(answer)["input_ids"]
```

## Use instead
Remove the token from the template or the texts, or set `add_bos_token: false` in tokenizer_config.json.

```python
tokenizer.apply_chat_template(messages)
tokenizer(answer, add_special_tokens=False)
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.evidence.batch_stats import BatchStats

FIX = "none"
DEPENDS_ON = ("rows",)
VERSION = 2

LIMITS = {
    "share": Limit(0.01, "a template or tokenizer doubles the token in every row; a stray row or two is a data fault"),
}


def measure(batch_stats: BatchStats, tokenizer: PreTrainedTokenizerBase) -> Measurement:
    if tokenizer.bos_token_id is None:
        raise NotApplicableError("the tokenizer has no beginning-of-sequence token")
    if not batch_stats.total("documents"):
        raise NotApplicableError("no batch holds a document")
    numbers = {
        "documents": batch_stats.total("documents"),
        "double_bos": batch_stats.total("double_bos"),
        "inner_bos": batch_stats.total("inner_bos"),
        "token": str(tokenizer.bos_token),
    }
    return Measurement(numbers, batch_stats.seen("double_bos") or batch_stats.seen("inner_bos"))


def judge(m: Measurement, limits: Limits) -> Judgement:
    documents, double, inner = m.numbers["documents"], m.numbers["double_bos"], m.numbers["inner_bos"]
    token = m.numbers["token"]
    if not double and not inner:
        return passed(f"{documents:,} documents: none has two {token}.")
    count = double or inner
    share = count / max(documents, 1)
    verb = "begin with two" if double else "have, where the loss begins behind the prompt, a second"
    message = f"{count:,} of {documents:,} documents ({units.share(share)}) {verb} {token}."
    remedy = (
        "" if double else "Tokenize answers with add_special_tokens=False: the model would learn to write the token."
    )
    return failed(message, remedy) if share > limits["share"] else warned(message, remedy)
