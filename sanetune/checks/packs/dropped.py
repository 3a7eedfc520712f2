"""Rows or tokens are dropped between the file and the batches.

## What it does
Counts rows dropped or truncated in preparation, with their tokens, and examples of the data set that no batch of an
epoch contains.

## Why is this bad?
Dropped rows are not trained on, and they are no fair sample: the longest go first, often those with the most to teach.

## Example
```yaml
train:
  max_length: 512
  dataloader_drop_last: true
```

## Use instead
Raise `train.max_length`, split long rows, or accept the loss knowingly: `sanetune data CONFIG` lists every dropped row.

```yaml
train:
  max_length: 4096
```
"""

from __future__ import annotations

from typing import Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.data_loss import DataLoss
from sanetune.evidence.run_settings import RunSettings
from sanetune.finding import Judgement, Measurement, failed, passed, warned

FIX = "sometimes"
DEPENDS_ON = ("rows", "batches")

LIMITS = {
    "warn": Limit(0.01, "one row in a hundred: losing fewer hardly changes the result"),
    "fail": Limit(0.25, "a quarter of the rows: what is trained on is no longer the data that was given"),
    "longest": Limit(4096, "tokens that are proposed at most, as for an unset max_length: memory grows with it"),
}


def measure(data_loss: DataLoss, batch_stats: BatchStats, run_settings: RunSettings) -> Measurement:
    if not data_loss.given:
        raise NotApplicableError("there are no rows")
    never = batch_stats.total("never")
    rows = data_loss.rows + never
    numbers = {
        "given": data_loss.given,
        "rows": rows,
        "tokens": data_loss.tokens,
        "reasons": dict(data_loss.reasons) | ({"in no batch": never} if never else {}),
        "share": rows / max(1, data_loss.given),
        "longest": data_loss.longest,
        "max_length": data_loss.max_length,
        "context": run_settings.model.context,
    }
    return Measurement(numbers, data_loss.witnesses)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    given = units.many(numbers["given"], "row")
    if not numbers["rows"]:
        return passed(f"none of {given} is dropped or truncated")
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in numbers["reasons"].items())
    message = f"{numbers['rows']:,} of {given} are dropped or truncated ({units.share(numbers['share'])}): {reasons}"
    if numbers["tokens"]:
        message += f"; {units.many(numbers['tokens'], 'token')} with them"
    if numbers["share"] > limits["fail"]:
        return failed(message, fix=_longer(numbers, limits))
    return warned(message, fix=_longer(numbers, limits)) if numbers["share"] > limits["warn"] else passed(message)


def _longer(n: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """max_length as long as the longest row that is lost, as far as the model takes it; nothing where it is."""
    room = min(n["longest"], n["context"] or int(limits["longest"]), int(limits["longest"]))
    return {"train.max_length": room} if n["max_length"] and room > n["max_length"] else {}
