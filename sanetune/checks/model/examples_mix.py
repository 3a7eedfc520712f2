"""An example's loss depends on its neighbours in the batch or on its padding.

## What it does
Compares the loss of every token of a row in its batch with that of the same row alone.

## Why is this bad?
Rows that attend to each other or to padding are not trained as they will be used.

## Example
A collator that does not return the attention mask, or left padding with positions counted from the left:

```python
batch = {"input_ids": ids, "labels": labels}
```

## Use instead
Use another attention implementation (`model.attention: sdpa`), or `per_device_train_batch_size: 1`.

```yaml
model:
  attention: sdpa
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.results import BatchIndependence

FIX = "none"
DEPENDS_ON = ("rows", "batches")

LIMITS = {
    "exact": Limit(0.001, "nats per token on average; in 32 bits, sums in another order differ by about 1e-6"),
    "rounded": Limit(0.05, "nats per token on average; in 16 bits, sums in another order differ by about 1e-2"),
}


def measure(batch_independence: BatchIndependence | None) -> Measurement:
    if batch_independence is None:
        raise NotApplicableError("a batch holds one example")
    if not batch_independence.tokens:
        raise NotApplicableError("no token of the first batches is in the loss")
    numbers = {
        "difference": batch_independence.mean_difference,
        "largest": batch_independence.largest_difference,
        "tokens": batch_independence.tokens,
        "padding": batch_independence.padded_tokens,
        "sixteen_bits": batch_independence.sixteen_bits,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    limit = limits["rounded"] if n["sixteen_bits"] else limits["exact"]
    message = (
        f"The losses of {units.many(n['tokens'], 'token')} of a row, alone and in its batch with"
        f" {units.many(n['padding'], 'place')} of padding, differ by {n['difference']:.2g} on average"
        f" and {n['largest']:.2g} at most"
    )
    return failed(message) if n["difference"] > limit else passed(message)
