"""What this machine trains on: its device, how many of them, their memory and whether they compute in bf16."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from sanetune.config.unimported import constant, file_of


@dataclass(frozen=True, slots=True)
class Machine:
    """The devices that a run trains on."""

    device: str = "cpu"
    """``cuda``, ``mps`` or ``cpu``."""
    has_bf16: bool = False
    """Whether the device computes in bf16."""
    devices: int = 1
    """Devices that train together, here and on other machines of the launch."""
    memory: int = 0
    """Bytes of one device, or of the machine for a CPU; 0: not known."""


def this_machine(devices: int | None = None) -> Machine:
    """Return the device that training will use here, and what it can do.

    Args:
        devices: Number of devices (``run.devices``); None: one for each process of this launch.
    """
    import psutil

    count = devices or process_count()
    device = default_device()
    if device == "cuda":
        import torch

        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return Machine(device, has_bf16, count, torch.cuda.get_device_properties(0).total_memory)
    return Machine(device, devices=count, memory=int(psutil.virtual_memory().total))


def emulates_bf16() -> bool:
    """Whether PyTorch has no fast products in bf16 for this processor; False where it cannot say.

    Without AVX-512 (AVX-NE-CONVERT, or ARM's BF16) each number is turned into float32 and back, in a plain loop: on two
    cores of an AMD EPYC 0.5 against 18 GFLOP/s.
    """
    import torch

    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return torch.backends.mkldnn.is_available() and asked is not None and not asked()


def default_device() -> str:
    """Return "cuda", "mps" or "cpu": the best device of this machine."""
    if _can_only_be_cpu():
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _can_only_be_cpu() -> bool:
    """Whether the installed torch knows no other device, as its files say; importing it would take a second."""
    if "torch" in sys.modules or sys.platform == "darwin":
        return False
    try:
        version = file_of("torch", "version.py")
        return constant(version, "cuda") is None and constant(version, "hip") is None
    except LookupError:
        return False


def process_count() -> int:
    """Return the number of processes of this launch (torchrun's WORLD_SIZE); 1 where there was none."""
    return max(1, int(os.environ.get("WORLD_SIZE") or 1))


def local_rank() -> int:
    """Return the number of this process on its machine (torchrun's LOCAL_RANK), which is that of its device."""
    return int(os.environ.get("LOCAL_RANK") or 0)
