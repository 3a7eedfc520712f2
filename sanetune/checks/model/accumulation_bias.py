"""One large batch and the same rows in micro-batches give different gradients.

## What it does
Compares the gradient that the engine computes over two micro-batches with the gradient of the mean loss per token
over the same rows, computed separately.

## Why is this bad?
Averaged over unequal micro-batches, tokens of short answers weigh more than tokens of long ones.

The result then depends on how the batch was divided.

## Example
A loss that is divided by the tokens of each micro-batch:

```python
loss = model(**batch).loss / gradient_accumulation_steps
```

## Use instead
Divide by the tokens of the whole step, or set `gradient_accumulation_steps: 1`.

transformers 4.46 and later pass `num_items_in_batch` for it.

```python
total = F.cross_entropy(logits, labels, reduction="sum")
loss = total / num_items_in_batch
```

## References
- [transformers#34191](https://github.com/huggingface/transformers/pull/34191): the fix of gradient accumulation
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.results import Accumulation

FIX = "none"
DEPENDS_ON = ("rows", "batches")

LIMITS = {
    "exact": Limit(0.01, "relative difference of the two gradients; in 32 bits they agree to about 1e-5"),
    "rounded": Limit(0.1, "relative difference of the two gradients; 16 bits keep two to three digits"),
}


def measure(accumulation: Accumulation | None) -> Measurement:
    if accumulation is None:
        raise NotApplicableError("there are not two batches with tokens in the loss")
    if accumulation.norm is None:
        raise NotApplicableError("no weight gets a gradient: see model-nothing-trainable")
    numbers = {
        "difference": accumulation.difference,
        "norm": accumulation.norm,
        "tokens": list(accumulation.tokens),
        "sixteen_bits": accumulation.sixteen_bits,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    limit = limits["rounded"] if n["sixteen_bits"] else limits["exact"]
    few, many = n["tokens"]
    message = (
        f"The engine's gradient over micro-batches of {few:,} and {many:,} tokens in the loss differs by"
        f" {n['difference']:.2g} (relative) from that of the mean over all of them"
    )
    return failed(message) if n["difference"] > limit else passed(message)
