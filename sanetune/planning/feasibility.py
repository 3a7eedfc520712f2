"""Refuses what is set and cannot work on this machine or with this data."""

from __future__ import annotations

from sanetune.commands import command
from sanetune.config.messages import short
from sanetune.config.schema import Config
from sanetune.config.sizes import RunSizes
from sanetune.errors import ConfigError

HELD_OUT = 0.1
"""The share of rows that is proposed where none is held out."""

WITHOUT = {"load_best_model_at_end": "false", "eval_strategy": "no", "early_stopping_patience": "null"}
"""Key of ``train`` that needs validation rows -> the value, as an override, that needs none."""


def refuse_impossible(config: Config, sizes: RunSizes) -> None:
    """Check what is set against the machine and the data.

    Raises:
        ConfigError: Something cannot work on this machine, or needs validation rows that there are not.
    """
    _refuse_precision(config, sizes)
    if sizes.data.train_examples and not sizes.data.validation_examples:
        _refuse_without_validation(config)


def _refuse_precision(config: Config, sizes: RunSizes) -> None:
    given = config.train.given
    if given.get("bf16") and sizes.machine.device == "cuda" and not sizes.machine.has_bf16 and not given.get("use_cpu"):
        raise ConfigError(
            "train.bf16 is true, and this GPU does not compute in bf16",
            "Ampere and later GPUs do.",
            "Write fp16: true instead, or leave both unset.",
            config.place("train.bf16"),
            {"train.bf16": False, "train.fp16": True},
        )
    if given.get("fp16") and sizes.machine.device == "cpu":
        raise ConfigError(
            "train.fp16 is true, and there is no GPU",
            "fp16 needs loss scaling, which only GPUs do well.",
            "Leave fp16 and bf16 unset, or write bf16: true.",
            config.place("train.fp16"),
            {"train.fp16": False},
        )
    if config.model.quantization and sizes.machine.device == "mps":
        raise ConfigError(
            f"model.quantization is {config.model.quantization}, and the device is Apple's GPU",
            "bitsandbytes has no 4- and 8-bit layers for it.",
            "Remove model.quantization, or set train.use_cpu: true.",
            config.place("model.quantization"),
        )


def _refuse_without_validation(config: Config) -> None:
    given = config.train.given | {"early_stopping_patience": config.train.early_stopping_patience}
    off = {"load_best_model_at_end": (None, False), "eval_strategy": (None, "no"), "early_stopping_patience": (None,)}
    found = [key for key, harmless in off.items() if given.get(key) not in harmless]
    if found:
        settings = [f"train.{key} is {short(given[key])}" for key in found]
        without = " ".join(f"train.{key}={WITHOUT[key]}" for key in found)
        raise ConfigError(
            f"{' and '.join(settings)}, and there are no validation rows",
            "There would be nothing to evaluate on.",
            f"{_how_to_evaluate(config)} Or train without validation: {without}",
            config.place(f"train.{found[0]}"),
            {"data.holdout": HELD_OUT} if config.data.validation is None and not config.data.holdout else None,
        )


def _how_to_evaluate(config: Config) -> str:
    if not config.data.holdout:
        return "Give data.validation, or a share to hold out, as in data.holdout: 0.1."
    return (
        f"data.holdout is {config.data.holdout:g}, and yet no row is held out: all have the same prompt, or there is "
        f"one row (`{command('data')}`). Give data.validation."
    )
