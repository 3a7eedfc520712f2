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
from sanetune.data.labels import IGNORE_INDEX
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.harness import ProbeHarness

LIMITS = {
    "exact": Limit(0.001, "nats per token on average; in 32 bits, sums in another order differ by about 1e-6"),
    "rounded": Limit(0.05, "nats per token on average; in 16 bits, sums in another order differ by about 1e-2"),
}


def measure(harness: ProbeHarness) -> Measurement:
    import torch

    batch = next((one for one in harness.batches if len(one["input_ids"]) > 1), None)
    if batch is None:
        raise NotApplicableError("a batch holds one example")
    shortest = min(range(len(batch["input_ids"])), key=lambda row: _size(batch, row))
    size = _size(batch, shortest)
    alone = {name: value[shortest : shortest + 1, :size] for name, value in batch.items()}
    with harness.untouched(), torch.no_grad():
        together = harness.token_losses(batch)[shortest, :size]
        apart = harness.token_losses(alone)[0]
    learnt = batch["labels"][shortest, :size] != IGNORE_INDEX
    differences = (together - apart).abs()[learnt]
    numbers = {
        "difference": float(differences.mean()) if len(differences) else 0.0,
        "largest": float(differences.max()) if len(differences) else 0.0,
        "tokens": len(differences),
        "padding": int(batch["input_ids"].shape[1] - size),
        "sixteen_bits": harness.session.precision.sixteen_bits,
    }
    return Measurement(numbers)


def _size(batch: dict, row: int) -> int:
    mask = batch.get("attention_mask")
    return int(mask[row].sum()) if mask is not None else int(batch["input_ids"].shape[1])


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    limit = limits["rounded"] if n["sixteen_bits"] else limits["exact"]
    what = (
        f"The losses of {units.many(n['tokens'], 'token')} of a row, alone and in its batch with"
        f" {units.many(n['padding'], 'place')} of padding, differ by {n['difference']:.2g} on average"
        f" and {n['largest']:.2g} at most"
    )
    return failed(what) if n["difference"] > limit else passed(what)
