"""The memory of one device at the peak of a run, from the bytes of a simulated step and how devices share the work."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.forecast.simulated_step import StepBytes

Sharding = Literal["ddp", "fsdp", "zero2", "zero3"]
"""How several devices share the work: DDP has everything on each; FSDP and ZeRO-3 share weights, gradients and the
optimizer's state, ZeRO-2 all but the weights."""
SHARDINGS: tuple[Sharding, ...] = get_args(Sharding)

NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes of a weight in NF4: four bits, one byte of scale for 64 weights, four bytes for 256 scales (arXiv:2305.14314,
section 3)."""
INT8 = 1.0
"""Bytes of a weight in LLM.int8(); its scales, one for each row, do not count."""


@dataclass(frozen=True, slots=True)
class MemoryForecast:
    """Bytes of tensors on one device. The context of CUDA and fragments come on top, as do Python and its libraries.

    Attributes:
        weights: Weights that are on the device all the time.
        gradients: Gradients, with the buckets in which DDP exchanges them.
        optimizer: State of the optimizer.
        activations: What a step needs beyond them at its peak: activations, logits, weights that are gathered for a
            while, and temporary tensors.
        step: Peak of a training step.
        evaluation: Peak of an evaluation; 0: there is none.
        device: Memory of the device; 0: not known.
        sharding: How several devices share the work; None: one trains alone.
        devices: How many.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    step: int
    evaluation: int
    device: int = 0
    sharding: Sharding | None = None
    devices: int = 1

    @property
    def peak(self) -> int:
        """The most at any time."""
        return max(self.step, self.evaluation)

    @property
    def share(self) -> float | None:
        """The peak as a fraction of the device's memory."""
        return self.peak / self.device if self.device else None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"peak": self.peak, "share": self.share}


def memory_of(
    config: Config, step: StepBytes, *, devices: int = 1, sharding: Sharding = "ddp", device_memory: int = 0
) -> MemoryForecast:
    """Return the memory of each of ``devices`` devices.

    Args:
        config: The resolved configuration.
        step: Bytes on one device that trains alone, weights not quantised.
        devices: Devices that train together.
        sharding: How they share the work; one device shares nothing.
        device_memory: Bytes of one device; 0: not known.
    """
    weights, temporary = _quantised(config.model.quantization, step)
    parts = {"weights": weights, "gradients": step.gradients, "optimizer": step.optimizer}
    activations = step.step - step.weights - step.gradients - step.optimizer + temporary
    evaluating = max(0, step.evaluation - step.weights - step.optimizer) + temporary if step.evaluation else 0
    if devices > 1:
        if sharding in ("fsdp", "zero3") and evaluating:
            evaluating -= _cast(config, step)
        parts, gathered = _shared(parts, step, devices, sharding)
        activations, evaluating = activations + gathered, evaluating and evaluating + gathered
    lasting = parts["weights"] + parts["optimizer"]
    return MemoryForecast(
        **parts,
        activations=activations,
        step=lasting + parts["gradients"] + activations,
        evaluation=evaluating and lasting + evaluating,
        device=device_memory,
        sharding=sharding if devices > 1 else None,
        devices=devices,
    )


def _quantised(quantization: str | None, step: StepBytes) -> tuple[int, int]:
    """Bytes of the weights, and of the one that is unpacked while it is multiplied with.

    bitsandbytes quantises the matrices of transformer blocks, which are stored in 16 bits otherwise.
    """
    if not quantization:
        return step.weights, 0
    each = NF4 if quantization == "4bit" else INT8
    return round(step.weights - step.block_matrices * (1 - each / step.weight_size)), step.largest_matrix


def _cast(config: Config, step: StepBytes) -> int:
    """Bytes of the 16-bit copies that autocast keeps of all weights while it evaluates; shards are cast one by one."""
    mixed = config.train.given.get("bf16") or config.train.given.get("fp16")
    return step.weights // 2 if mixed and step.weight_size == 4 else 0


def _shared(parts: dict[str, int], step: StepBytes, devices: int, sharding: Sharding) -> tuple[dict[str, int], int]:
    """The parts on each device, and what is gathered on it for a while (ZeRO: arXiv:1910.02054, section 5).

    FSDP gathers one block while the one before is used; embeddings and head are a unit of their own.
    """
    if sharding == "ddp":
        return parts | {"gradients": 2 * parts["gradients"]}, 0
    shared = {name: -(-size // devices) for name, size in parts.items()}
    if sharding == "zero2":
        return shared | {"weights": parts["weights"]}, step.gradients and step.largest_block
    return shared, 2 * step.largest_block + step.outside_blocks + (step.gradients and step.largest_block)
