"""The longest batch, with optimizer state, does not fit in memory.

## What it does
Runs forward, backward and one optimizer step on a batch of the longest training rows, then evaluates the longest
validation rows, and records the peak memory of the device (of the process on a CPU).

## Why is this bad?
A run that runs out of memory on one long batch at step 683 has spent everything up to there.

## Example
```yaml
train:
  per_device_train_batch_size: 16
  max_length: 8192
```

## Use instead
Halve the batch and double `train.gradient_accumulation_steps`, enable activation checkpointing, or train an adapter.

```yaml
train:
  per_device_train_batch_size: 4
  gradient_accumulation_steps: 4
  max_length: 8192
  activation_checkpointing: true
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings
    from sanetune.probes.results import LargestStep

FIX = "sometimes"

LIMITS = {
    "warn": Limit(0.9, "a tenth is left for fragments and for batches that were not seen"),
}


def measure(peak_memory: LargestStep, run_settings: RunSettings) -> Measurement:
    found = peak_memory.memory
    numbers = {
        "peak": found.peak_bytes,
        "total": found.total_bytes,
        "share": found.peak_bytes / found.total_bytes,
        "fits": found.fits,
        "device": peak_memory.device,
        "rows": peak_memory.rows,
        "places": peak_memory.row_tokens,
        "per_device": run_settings.steps.per_device,
        "accumulation": run_settings.steps.accumulation,
        "checkpointing": peak_memory.activation_checkpointing,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    batch = f"a batch of {n['rows']:,} x {n['places']:,} tokens"
    less = _less(n)
    if not n["fits"]:
        return failed(
            f"One step on {batch} does not fit into the {units.bytes_(n['total'])} of {n['device']}", fix=less
        )
    message = (
        f"One step on {batch} takes {units.bytes_(n['peak'])} of {units.bytes_(n['total'])} on {n['device']}"
        f" ({units.share(n['share'])})"
    )
    return warned(message, fix=less) if n["share"] > limits["warn"] else passed(message)


def _less(n: dict[str, Any]) -> dict[str, Any]:
    """Half the batch, the effective one kept; a batch of one cannot be halved, but its activations need not be kept."""
    if n["per_device"] > 1:
        return {
            "train.per_device_train_batch_size": n["per_device"] // 2,
            "train.gradient_accumulation_steps": n["accumulation"] * 2,
        }
    return {} if n["checkpointing"] else {"train.activation_checkpointing": True}
