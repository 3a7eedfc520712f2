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

LIMITS = {"warn": Limit(0.8, "a fifth is left for logs, caches and what others write")}


def measure(harness: ProbeHarness) -> Measurement:
    import shutil
    from pathlib import Path

    args = harness.trainer.args
    adapted = hasattr(harness.model, "peft_config")
    weights = sum(weight.numel() * weight.element_size() for weight in harness.model.parameters())
    trained = sum(weight.numel() * weight.element_size() for weight in harness.trained().values())
    saved = trained if adapted else weights
    # Adam keeps two numbers for each trained weight, in the weight's own format.
    checkpoint = saved + (0 if args.save_only_model else 2 * trained)
    count = 0 if str(getattr(args.save_strategy, "value", args.save_strategy)) == "no" else _kept(args)
    folder = Path(str(harness.config.run.output_dir)).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    needed = count * checkpoint + weights + (trained if adapted else 0)
    numbers = {"checkpoint": checkpoint, "kept": count, "needed": needed, "free": free, "share": needed / max(1, free)}
    return Measurement(numbers)


def _kept(args: object) -> int:
    """Checkpoints on the disk at once: those kept, and the one being written before the oldest goes."""
    limit = getattr(args, "save_total_limit", None)
    return int(limit) + 1 if limit else 10


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    what = (
        f"{units.many(n['kept'], 'checkpoint')} of {units.bytes_(n['checkpoint'])} and the model take"
        f" {units.bytes_(n['needed'])} of {units.bytes_(n['free'])} that are free"
    )
    if n["share"] > 1:
        return failed(what)
    return warned(what) if n["share"] > limits["warn"] else passed(what)
