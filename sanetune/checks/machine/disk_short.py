"""The checkpoints do not fit on the disk.

## What it does
Multiplies the bytes of one checkpoint (saved weights and optimizer state) by the number kept at once, adds the final
model, and compares the sum with the free space at the run's folder.

## Why is this bad?
A disk that fills during a checkpoint ends the run, hours after it began.

## Example
Each checkpoint of a 7B model with Adam's state takes about 80 GB:

```yaml
train:
  save_steps: 100
  save_total_limit: 20
```

## Use instead
Lower `train.save_total_limit`, set `train.save_only_model: true`, or choose another `run.output_dir`.

Checkpoints with the model only cannot be resumed.

```yaml
train:
  save_steps: 500
  save_total_limit: 2
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.harness import ProbeHarness

FIX = "none"

LIMITS = {"warn": Limit(0.8, "a fifth is left for logs, caches and what others write")}


def measure(harness: ProbeHarness) -> Measurement:
    import shutil
    from pathlib import Path

    from sanetune.forecast.disk import stored_by

    settings = harness.settings
    stored = stored_by(harness.model, save_only_model=settings.save_only_model)
    count = _kept(settings.save_total_limit) if settings.saves_checkpoints else 0
    folder = Path(str(harness.config.run.output_dir)).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    needed = count * stored.checkpoint + stored.final
    return Measurement(
        {"checkpoint": stored.checkpoint, "kept": count, "needed": needed, "free": free, "share": needed / max(1, free)}
    )


def _kept(limit: int | None) -> int:
    """Checkpoints on the disk at once: those kept, and the one being written before the oldest goes."""
    return limit + 1 if limit else 10


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    message = (
        f"{units.many(n['kept'], 'checkpoint')} of {units.bytes_(n['checkpoint'])} and the model take"
        f" {units.bytes_(n['needed'])} of {units.bytes_(n['free'])} that are free"
    )
    if n["share"] > 1:
        return failed(message)
    return warned(message) if n["share"] > limits["warn"] else passed(message)
