"""The checkpoints do not fit on the disk.

Measures: Bytes of one checkpoint (weights that are saved, optimizer state) times those that are kept at once, and of
the final model, beside what is free where the run will lie.
Matters: A disk that fills while a checkpoint is written ends the run, hours after it began.
Cause: Many checkpoints kept, or optimizer state twice as large as the weights, which is saved with them.
Fix: Lower train.save_total_limit, set train.save_only_model: true (such checkpoints cannot be resumed), or another
run.output_dir.
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
