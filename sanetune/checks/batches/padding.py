"""Padding wastes compute that packing or grouping by length would save.

## What it does
Computes the share of padded tokens in the engine's training batches, and the factor by which packing would shorten an
epoch.

## Why is this bad?
Padded tokens cost as much as real ones and teach nothing.

## Example
Rows of 50 and of 2,000 tokens share random batches:

```yaml
train:
  per_device_train_batch_size: 16
```

## Use instead
Set `train.packing: true` (documents stay isolated), or group rows by length.

```yaml
train:
  per_device_train_batch_size: 16
  train_sampling_strategy: group_by_length
```
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.run_settings import RunSettings
from sanetune.finding import Judgement, Measurement, passed, warned

FIX = "sometimes"
DEPENDS_ON = ("rows", "batches")

LIMITS = {"share": Limit(0.3, "random batches of eight rows of Alpaca waste about this much; grouped ones under 5 %")}


def measure(batch_stats: BatchStats, run_settings: RunSettings) -> Measurement:
    split = batch_stats.train
    if not split.tokens:
        raise NotApplicableError("no batch holds a token")
    places = split.tokens + split.padding
    return Measurement(
        {
            "padding": split.padding,
            "places": places,
            "share": split.padding / max(1, places),
            "factor": places / max(1, split.tokens),
            "packed": run_settings.data.packing or split.packed,
            "grouped": run_settings.data.grouped_by_length,
        }
    )


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    message = f"{units.share(numbers['share'])} of {units.count(numbers['places'])} places in the batches are padding"
    if numbers["share"] <= limits["share"]:
        return passed(message)
    message += f": full packs would make an epoch {numbers['factor']:.1f} times shorter"
    if numbers["packed"]:
        return warned(message, "Packs are that empty when max_length is far above the rows: lower train.max_length.")
    return warned(message, fix={"train.packing": True})
