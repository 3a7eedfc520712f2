"""The machine that a forecast is for: speed of matrix products and of the disk, and sizes of saved files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.engine.devices import device_name
from sanetune.forecast.disk import StoredSizes, stored_by, write_speed
from sanetune.planning.known_devices import known_device
from sanetune.probes.device_speed import Work, matmul_flops_per_second, work_of

if TYPE_CHECKING:
    from sanetune.planning.plan import Plan
    from sanetune.probes.harness import ProbeHarness

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of one weight, by dtype."""


@dataclass(frozen=True, slots=True)
class MeasuredMachine:
    """The machine of a trial. None: not measured, or not known.

    Attributes:
        device: Name of the device, from its driver; ``cpu`` for any processor.
        work: Numbers that the FLOPs of one token follow from.
        stored: Sizes of what is saved.
        devices: Number of devices in the trial.
        dtype: The dtype of matrix products.
        matmul_flops_per_second: FLOPs per second on matrix products of the model's shapes, as measured.
        peak_flops: FLOPs per second that the maker publishes.
        peak_flops_source: Where they are published.
        disk_bytes_per_second: Write speed of the disk.
    """

    device: str
    work: Work
    stored: StoredSizes
    devices: int = 1
    dtype: str = "float32"
    matmul_flops_per_second: float | None = None
    peak_flops: float | None = None
    peak_flops_source: str = ""
    disk_bytes_per_second: float | None = None


def machine_of(harness: ProbeHarness) -> MeasuredMachine:
    """Measure the machine of ``harness`` in about half a second, without changing the model."""
    settings, dtype = harness.settings, harness.session.precision.compute
    name = device_name(harness.device)
    padded_tokens = max(batch["input_ids"].numel() for batch in harness.batches)
    known = known_device(name)
    peak = known.flops(str(dtype).removeprefix("torch.")) if known else None
    return MeasuredMachine(
        device=name,
        work=work_of(harness.model),
        stored=stored_by(harness.model, save_only_model=settings.save_only_model),
        devices=settings.world_size,
        dtype=str(dtype).removeprefix("torch."),
        matmul_flops_per_second=matmul_flops_per_second(harness.model, padded_tokens, dtype),
        peak_flops=peak,
        peak_flops_source=known.source if known and peak else "",
        disk_bytes_per_second=write_speed(str(harness.config.run.output_dir or ".")),
    )


def machine_from(plan: Plan) -> MeasuredMachine:
    """Return what follows about the machine from the plan alone, without measurements."""
    model, train = plan.sizes.model, plan.config.train
    size = BYTES.get(str(plan.config.model.dtype), 4)
    trained = model.trainable * size
    adapted = plan.config.model.adapter is not None
    saved = trained if adapted else model.parameters * size
    only = bool(train.value("save_only_model"))
    return MeasuredMachine(
        device=plan.sizes.machine.device,
        work=Work(model.parameters - model.trainable, model.trainable, model.layers, model.hidden),
        stored=StoredSizes(saved + (0 if only else 2 * trained), model.parameters * size + (trained if adapted else 0)),
        dtype="bfloat16" if train.value("bf16") else "float16" if train.value("fp16") else "float32",
    )
