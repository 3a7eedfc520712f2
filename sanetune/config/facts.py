"""What has to be known about model, machine and data before open values can be filled in."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Facts:
    """Sizes of model, machine and data. Examples are packs where the data is packed."""

    parameters: int = 0
    trainable: int = 0
    hidden: int = 0
    layers: int = 0
    context: int = 0
    vocabulary: int = 0
    native_dtype: str | None = None
    device: str = "cpu"
    bf16: bool = False
    devices: int = 1
    train_examples: int = 0
    validation_examples: int = 0
    mean_tokens: float = 0.0
    loss_tokens: int = 0
    memory: int = 0
    """Bytes of one device, or of the machine on CPU; 0 = unknown."""
    model_type: str = ""


def default_device() -> str:
    """Return "cuda", "mps" or "cpu": the best device of this machine."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def process_count() -> int:
    """Return the number of processes of this launch (torchrun's WORLD_SIZE); 1 where there was none."""
    return max(1, int(os.environ.get("WORLD_SIZE") or 1))


def of_machine(devices: int | None = None) -> Facts:
    """Return the device that training will use, whether it computes in bf16, and its memory.

    Args:
        devices: Number of devices (``run.devices``); None: one for each process of this launch.
    """
    import psutil
    import torch

    count = devices or process_count()
    device = default_device()
    if device == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return Facts(device=device, bf16=bf16, devices=count, memory=memory)
    return Facts(device=device, devices=count, memory=int(psutil.virtual_memory().total))


def with_data(facts: Facts, prepared: Any) -> Facts:
    """``facts`` with the number of examples (or packs), their mean tokens and the learnt tokens in all.

    ``prepared`` is what :func:`sanetune.data.prepare.prepare` returns; its ``stats`` are used, not the rows.
    """
    figures = prepared.stats["train"]
    count = len(prepared.train)
    return replace(
        facts,
        train_examples=count,
        validation_examples=len(prepared.validation) if prepared.validation is not None else 0,
        mean_tokens=figures["tokens"] / max(1, count),
        loss_tokens=int(figures["loss_tokens"]),
    )
