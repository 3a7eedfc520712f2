"""What ``sanetune init --devices`` writes: the keys, and the file that DeepSpeed wants, for several devices."""

from __future__ import annotations

import json
from pathlib import Path

from sanetune.atomic import write_text
from sanetune.errors import ConfigError
from sanetune.forecast.memory import Sharding

FSDP = {"version": 2, "reshard_after_forward": True}
"""Weights are gathered for a layer and let go of behind it, in the backward pass too."""


def sharding_overrides(devices: int, sharding: Sharding | None, out: Path) -> list[str]:
    """Return the overrides of a configuration for ``devices``, and write DeepSpeed's file beside ``out``.

    Args:
        devices: Processes that train together, one for each device.
        sharding: How they share the work; None: DDP, each has all of it.
        out: The configuration's file.

    Raises:
        ConfigError: There is nothing to share.
    """
    if devices == 1 and sharding not in (None, "ddp"):
        raise ConfigError(
            f"--sharding {sharding} divides a model among devices, and there is one.",
            remedy="Give their number as --devices, or leave --sharding out.",
        )
    overrides = [f"run.devices={devices}"]
    if sharding == "fsdp":
        overrides += ["train.fsdp=true", f"train.fsdp_config={json.dumps(FSDP)}"]
    elif sharding in ("zero2", "zero3"):
        file = out.with_name(f"{out.stem}.{sharding}.json")
        write_text(file, json.dumps(deepspeed_settings(int(sharding[-1])), indent=2) + "\n")
        overrides.append(f"train.deepspeed={file.resolve()}")
    return overrides


def deepspeed_settings(stage: int) -> dict[str, object]:
    """Return DeepSpeed's settings; transformers fills in what is ``auto``.

    Args:
        stage: Number of the ZeRO stage: 2 divides gradients and optimizer, 3 the weights too.
    """
    zero: dict[str, object] = {"stage": stage, "overlap_comm": True, "contiguous_gradients": True}
    if stage == 3:
        # Else a checkpoint has no weights that anything but DeepSpeed can read.
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    filled = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    return {
        **dict.fromkeys(filled, "auto"),
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
    }


def sharding_of(given: dict[str, object]) -> Sharding:
    """Return how a ``train`` section with the keys ``given`` shares the work among devices.

    >>> sharding_of({"fsdp": True}), sharding_of({"deepspeed": {"zero_optimization": {"stage": 3}}}), sharding_of({})
    ('fsdp', 'zero3', 'ddp')
    """
    if given.get("fsdp"):
        return "fsdp"
    settings = given.get("deepspeed")
    if isinstance(settings, str):
        try:
            settings = json.loads(Path(settings).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "ddp"
    stage = settings.get("zero_optimization", {}).get("stage") if isinstance(settings, dict) else None
    return "zero3" if stage == 3 else "zero2" if stage == 2 else "ddp"
