"""Tokens added to the vocabulary occur in the data, and their embeddings are not trained.

## What it does
Finds ids in the first batches that the model's own tokenizer does not have, and checks whether their rows of the
embedding (and of a separate output head) get a gradient.

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

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.harness import ProbeHarness


def measure(harness: ProbeHarness, tokenizer: Any) -> Measurement:
    from sanetune.engine.models import new_tokens

    added = set(new_tokens(harness.config.model, tokenizer))
    seen = sorted({int(token) for batch in harness.batches for token in batch["input_ids"].unique()} & added)
    if not seen:
        raise NotApplicableError("the data holds no token that the model's own tokenizer does not have")
    with harness.untouched():
        harness.gradients()
        model = harness.model.get_base_model() if hasattr(harness.model, "get_base_model") else harness.model
        parts = {"embedding": model.get_input_embeddings(), "output head": model.get_output_embeddings()}
        frozen = [name for name, part in parts.items() if part is not None and not _learns(part, seen)]
    return Measurement(
        {"added": len(added), "seen": [tokenizer.convert_ids_to_tokens(token) for token in seen][:10], "frozen": frozen}
    )


def _learns(part: Any, rows: list[int]) -> bool:
    """Whether each of ``rows`` of an embedding or head gets a gradient: in its weight, or in rows that peft trains
    beside it."""
    for name, weight in part.named_parameters():
        if weight.grad is None or not weight.requires_grad:
            continue
        if "trainable_tokens" in name or weight.grad.shape[0] < max(rows):
            return bool(weight.grad.any())
        if bool(weight.grad[rows].any(dim=-1).all()):
            return True
    return False


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    what = f"{units.many(len(n['seen']), 'added token')} in the data ({', '.join(map(str, n['seen'][:4]))})"
    if n["frozen"]:
        return failed(f"{what}: the {' and the '.join(n['frozen'])} has no gradient in all of their rows")
    return passed(f"{what}: their rows are trained")
