"""Tokens added to the vocabulary occur in the data, and their embeddings are not trained.

## What it does
Finds ids in the first batches that the model's own tokenizer does not have, and checks whether their rows of the
embedding (and of a separate output head) get a gradient. On a trainer that somebody has built the check is skipped
where these rows may have been trained before: the model in memory is no longer the one in its files, and the rows are
neither those of the files nor as transformers draws new ones.

## Why is this bad?
A new token's embedding is noise. While frozen, the token can be neither read nor written, so the model never learns
where a turn ends.

## Example
```yaml
model:
  chat_template: chatml
  freeze: [embed_tokens]
```

## Use instead
Do not freeze the embedding; with another tool's adapter, train the added rows (`trainable_token_indices`) or
embedding and head (`modules_to_save`).

```yaml
model:
  chat_template: chatml
  adapter: lora             # rows of added tokens are trained
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.results import AddedTokens

FIX = "none"
DEPENDS_ON = ("rows", "batches")


def measure(added_tokens: AddedTokens) -> Measurement:
    if not added_tokens.seen:
        raise NotApplicableError("the data holds no token that the model's own tokenizer does not have")
    return Measurement(
        {"added": added_tokens.added, "seen": list(added_tokens.seen), "frozen": list(added_tokens.frozen)}
    )


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    message = f"{units.many(len(n['seen']), 'added token')} in the data ({', '.join(map(str, n['seen'][:4]))})"
    if n["frozen"]:
        return failed(f"{message}: the {' and the '.join(n['frozen'])} has no gradient in all of their rows")
    return passed(f"{message}: their rows are trained")
