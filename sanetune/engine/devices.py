"""Which device a run trains on, and what that device is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.config.machine import default_device

if TYPE_CHECKING:
    import torch

    from sanetune.config.schema import Config


def device_of(config: Config) -> str:
    """Return where ``config`` trains: "cpu" where it asks for that, else the best device."""
    return "cpu" if dict(config.train.given).get("use_cpu") else default_device()


def device_name(device: torch.device) -> str:
    """Return the device's name as its driver gives it, e.g. "NVIDIA H100 80GB HBM3"; the type where there is none."""
    import torch

    return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else str(device.type)
