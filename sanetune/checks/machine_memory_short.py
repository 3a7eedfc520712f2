"""The longest batch, with optimizer state, does not fit into memory.

Measures: A batch of the longest rows goes forward, backward and through one step of the run's own optimizer, then one
of the longest validation rows is evaluated: peak memory of the device, or of the process on a CPU.
Matters: A run that is out of memory at step 683, on one long batch, has spent everything up to there.
Cause: A batch or a max_length that is too large for the device, or optimizer state that was not thought of.
Fix: Halve train.per_device_train_batch_size and double train.gradient_accumulation_steps (the effective batch stays),
switch on train.activation_checkpointing, lower train.max_length, or train an adapter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks import Limit, Limits
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.audit.settings import Settings
    from sanetune.engine.lab import Lab

LIMITS = {
    "warn": Limit(0.9, "a tenth is left for fragments and for batches that were not seen"),
}


def measure(lab: Lab, settings: Settings) -> Measurement:
    from sanetune.engine.lab import worst_batch
    from sanetune.engine.memory import peak_of_a_step

    args, held = lab.trainer.args, lab.trainer.eval_dataset
    longest = worst_batch(lab, lab.trainer.train_dataset, args.per_device_train_batch_size)
    evaluated = worst_batch(lab, held, args.per_device_eval_batch_size) if held is not None and len(held) else None
    found = peak_of_a_step(lab, longest, evaluated)
    numbers = {
        "peak": found.peak,
        "total": found.total,
        "share": found.peak / found.total,
        "fits": found.fits,
        "device": str(lab.device),
        "rows": longest["input_ids"].shape[0],
        "places": longest["input_ids"].shape[1],
        "per_device": settings.per_device,
        "accumulation": settings.accumulation,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    batch = f"a batch of {n['rows']:,} x {n['places']:,} tokens"
    half = {}
    if n["per_device"] > 1:
        half = {
            "train.per_device_train_batch_size": n["per_device"] // 2,
            "train.gradient_accumulation_steps": n["accumulation"] * 2,
        }
    if not n["fits"]:
        return failed(
            f"One step on {batch} does not fit into the {units.bytes_(n['total'])} of {n['device']}", fix=half
        )
    what = (
        f"One step on {batch} takes {units.bytes_(n['peak'])} of {units.bytes_(n['total'])} on {n['device']}"
        f" ({units.share(n['share'])})"
    )
    return warned(what, fix=half) if n["share"] > limits["warn"] else passed(what)
