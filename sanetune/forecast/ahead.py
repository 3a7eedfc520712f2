"""Memory, time and cost of a run from its configuration alone, on this machine or on a device that is named.

The model is not loaded. Memory is simulated; seconds follow from the FLOPs of a step and a share of the device's speed
that training is assumed to reach, so that their range is wide. The steps of a check measure them.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sanetune.config.machine import Machine
from sanetune.forecast.cost import paid_devices, usd
from sanetune.forecast.memory import MemoryForecast, Sharding, memory_of
from sanetune.forecast.time import Range
from sanetune.planning.gather import gather
from sanetune.planning.known_devices import KnownDevice
from sanetune.planning.plan import Plan, plan_with

if TYPE_CHECKING:
    import datasets
    import torch
    from transformers import PreTrainedModel

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.engine.batch_shape import BatchShape

REACHED = Range(0.20, 0.35, 0.50)
"""Share of a GPU's published FLOPs per second that training is assumed to reach. Llama 3's own training, on an engine
made for it, reached 38 to 43 % (arXiv:2407.21783, table 4)."""
REACHED_ON_CPU = Range(0.35, 0.60, 0.85)
"""The same for a processor, as a share of matrix products that were just measured (``python -m bench.forecast``)."""
SHORTEST = 0.05
"""Seconds of a step below which its FLOPs say nothing about its time: some thousand operations, each started in tens
of microseconds."""
TRAFFIC = 7
"""Times that the optimizer moves each trained weight: weight and both moments read and written, gradient read."""
DRAWN = 200
"""Batches that the mean length with padding is from."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a run will take, before anything of it was measured.

    Attributes:
        device: Name of the device.
        devices: How many train together.
        memory: Memory of one device; None: the model's code cannot be simulated.
        step_seconds: Seconds of one optimizer step.
        hours: Hours of all steps, without evaluations and saving.
        usd: What they cost; None without a price.
        steps: Optimizer steps of the run.
        padded_tokens: Mean tokens of a step on one device, padding included.
        flops_per_second: Of one device on dense products: published, or measured here.
        reached: The share of them that is assumed.
        notes: What these figures leave out or assume.
    """

    device: str
    devices: int
    memory: MemoryForecast | None
    step_seconds: Range | None
    hours: Range | None
    usd: Range | None
    steps: int
    padded_tokens: float
    flops_per_second: float | None
    reached: Range
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"memory": self.memory.to_json() if self.memory else None}


def plan_on(config: Config, prepared: Prepared, device: KnownDevice, devices: int) -> Plan:
    """Plan a run of ``config`` as it would be on ``devices`` of ``device``, not on this machine."""
    config = config.model_copy(deep=True)
    config.train.given.pop("use_cpu", None)
    sizes = gather(config, prepared, weights=False)
    machine = Machine("cuda", device.bfloat16 is not None, devices, device.memory)
    return plan_with(config, replace(sizes, machine=machine))


def forecast_ahead(
    plan: Plan,
    prepared: Prepared,
    device: KnownDevice | None,
    sharding: Sharding = "ddp",
    *,
    with_memory: bool = True,
) -> Ahead:
    """Forecast ``plan``.

    Args:
        plan: The run, planned for its device (see :func:`plan_on`).
        prepared: Its rows.
        device: What it will run on; None: this machine.
        sharding: How several devices share the work.
        with_memory: Whether memory is forecast too, for which a step is simulated.

    Raises:
        ModelError: The model cannot be built.
    """
    from sanetune.forecast.simulated_step import model_on_meta
    from sanetune.probes.device_speed import work_of

    config, machine = plan.config, plan.sizes.machine
    model = model_on_meta(config)
    flops_per_token = work_of(model).flops_per_token(_document_tokens(prepared))
    speed, reached = _speed(config, model, plan, device)
    trained = sum(weight.numel() * weight.element_size() for weight in model.parameters() if weight.requires_grad)
    memory, notes = _memory(plan, prepared, model, sharding) if with_memory else (None, [])
    tokens = plan.steps.accumulation * _padded_tokens(config, prepared, plan.steps.per_device)
    seconds = _step_seconds(flops_per_token * tokens, trained, speed, reached, device)
    if seconds is not None and seconds.low < SHORTEST:
        seconds = None
        notes.append("seconds are not forecast: a step is so small that starting its operations takes longer")
    hours = seconds and seconds.times(plan.steps.total_steps / 3600)
    price = config.budget.usd_per_device_hour
    bought = paid_devices(config.budget.devices).number or machine.devices
    return Ahead(
        device=device.name if device else machine.device,
        devices=machine.devices,
        memory=memory,
        step_seconds=seconds,
        hours=hours,
        usd=usd(hours, bought, price) if hours else None,
        steps=plan.steps.total_steps,
        padded_tokens=tokens,
        flops_per_second=speed,
        reached=reached,
        notes=(*notes, *_notes(machine)),
    )


def _memory(
    plan: Plan, prepared: Prepared, model: PreTrainedModel, sharding: Sharding
) -> tuple[MemoryForecast | None, list[str]]:
    """Memory of one device, or None and the reason."""
    from sanetune.forecast.simulated_step import NotSimulatedError, simulate

    config, machine = plan.config, plan.sizes.machine
    try:
        train, evaluated = shapes(config, prepared)
        step = simulate(config, model, train, evaluated, machine.device)
    except NotSimulatedError as error:
        return None, [f"memory is not forecast, since the step cannot be simulated: {error}"]
    return memory_of(config, step, devices=machine.devices, sharding=sharding, device_memory=machine.memory), []


def shapes(config: Config, prepared: Prepared) -> tuple[BatchShape, BatchShape | None]:
    """Return the sizes of the largest training and validation batch; None without validation rows."""
    from sanetune.engine.batch_shape import BatchShape
    from sanetune.engine.batches import collate_for, token_counts

    attention = config.model.attention or ""
    collate = collate_for(prepared.tokenizer.pad_token_id, attention)

    def largest(rows: datasets.Dataset, size: int) -> BatchShape:
        counts = token_counts(rows)
        numbers = sorted(range(len(counts)), key=lambda number: -counts[number])[:size]
        return BatchShape.of(collate([rows[number] for number in numbers]), flash="flash" in attention)

    train = largest(prepared.train, int(config.train.value("per_device_train_batch_size")))
    if prepared.validation is None or not len(prepared.validation):
        return train, None
    return train, largest(prepared.validation, int(config.train.value("per_device_eval_batch_size")))


def _speed(
    config: Config, model: PreTrainedModel, plan: Plan, device: KnownDevice | None
) -> tuple[float | None, Range]:
    """FLOPs per second of one device on dense products, and the share of them that is assumed."""
    given = config.train.given
    name = "bfloat16" if given.get("bf16") else "float16" if given.get("fp16") else _weights_dtype(model)
    if device is not None:
        return device.flops(name), REACHED
    import torch

    from sanetune.probes.device_speed import matmul_flops_per_second

    where = torch.device(plan.sizes.machine.device)
    rows = round(plan.steps.per_device * plan.sizes.data.mean_tokens)
    on_cpu = where.type == "cpu"
    return matmul_flops_per_second(model, rows, getattr(torch, name), where), REACHED_ON_CPU if on_cpu else REACHED


def _weights_dtype(model: PreTrainedModel) -> str:
    dtype: torch.dtype = next(weight.dtype for weight in model.parameters() if weight.is_floating_point())
    return str(dtype).removeprefix("torch.")


def _step_seconds(
    flops: float, trained: int, speed: float | None, reached: Range, device: KnownDevice | None
) -> Range | None:
    if not speed:
        return None
    moving = TRAFFIC * trained / (device.bandwidth * 1e9) if device else 0.0
    low, middle, high = (flops / (speed * share) + moving for share in (reached.high, reached.middle, reached.low))
    return Range(low, middle, high)


def _document_tokens(prepared: Prepared) -> float:
    stats = prepared.stats["train"]
    return float(stats["tokens"]) / max(1, int(stats["examples"]))


def _padded_tokens(config: Config, prepared: Prepared, rows: int) -> float:
    """Mean tokens of a micro-batch, padding included."""
    from sanetune.engine.batches import token_counts

    counts = token_counts(prepared.train)
    if config.train.given.get("train_sampling_strategy") == "group_by_length":
        counts.sort()
        batches = [counts[at : at + rows] for at in range(0, len(counts), rows)]
    else:
        draw = random.Random(0)
        batches = [draw.choices(counts, k=rows) for _ in range(DRAWN)]
    return sum(len(batch) * max(batch) for batch in batches) / max(1, len(batches))


def _notes(machine: Machine) -> list[str]:
    notes = ["evaluations and saving are not included"]
    if machine.devices > 1:
        notes.append("nor is the time to exchange gradients")
    return notes
