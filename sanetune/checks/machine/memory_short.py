"""The longest batch, with optimizer state, does not fit into memory.

Measures: A batch of the longest rows goes forward, backward and through one step of the run's own optimizer, then one
of the longest validation rows is evaluated: peak memory of the device, or of the process on a CPU.
Matters: A run that is out of memory at step 683, on one long batch, has spent everything up to there.
Cause: A batch or a max_length that is too large for the device, or optimizer state that was not thought of.
Fix: Halve train.per_device_train_batch_size and double train.gradient_accumulation_steps (the effective batch stays),
switch on train.activation_checkpointing, lower train.max_length, or train an adapter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings
    from sanetune.probes.peak_memory import LargestStep

LIMITS = {
    "warn": Limit(0.9, "a tenth is left for fragments and for batches that were not seen"),
}


def measure(largest: LargestStep, settings: RunSettings) -> Measurement:
    found = largest.peak
    numbers = {
        "peak": found.peak,
        "total": found.total,
        "share": found.peak / found.total,
        "fits": found.fits,
        "device": largest.device,
        "rows": largest.rows,
        "places": largest.places,
        "per_device": settings.per_device,
        "accumulation": settings.accumulation,
        "checkpointing": largest.checkpointing,
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
    what = (
        f"One step on {batch} takes {units.bytes_(n['peak'])} of {units.bytes_(n['total'])} on {n['device']}"
        f" ({units.share(n['share'])})"
    )
    return warned(what, fix=less) if n["share"] > limits["warn"] else passed(what)


def _less(n: dict[str, Any]) -> dict[str, Any]:
    """Half the batch, the effective one kept; a batch of one cannot be halved, but its activations need not be kept."""
    if n["per_device"] > 1:
        return {
            "train.per_device_train_batch_size": n["per_device"] // 2,
            "train.gradient_accumulation_steps": n["accumulation"] * 2,
        }
    return {} if n["checkpointing"] else {"train.activation_checkpointing": True}
