"""Checks values that are valid alone against each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sanetune.config.schema import Config
from sanetune.errors import ConfigError, Place

Where = Callable[[str], Place | None]
"""``section.key`` -> where its value is written."""


def check_consistency(config: Config, where: Where) -> None:
    """Check that no two values contradict each other.

    Raises:
        ConfigError: For the first two that do, with the place that ``where`` gives.
    """
    _check_model(config, where)
    given = config.train.given
    if given.get("bf16") and given.get("fp16"):
        raise ConfigError(
            "train.bf16 and train.fp16 are both true",
            "A run has one precision.",
            "Keep one of them.",
            where("train.fp16"),
        )
    _check_optimizer(given, where)
    if config.data.replay and given.get("train_sampling_strategy") == "sequential":
        raise ConfigError(
            "train.train_sampling_strategy is sequential, and data.replay mixes rows in",
            "Replay rows come after all others, so that the run would end with nothing else.",
            "Leave train_sampling_strategy out, or put general rows between your own in the file.",
            where("train.train_sampling_strategy"),
        )
    if given.get("load_best_model_at_end") and given.get("save_strategy") != "best":
        _check_best(given, where)


COMMIT = re.compile(r"[0-9a-f]{40}")
"""A revision that nobody can change: the name of a commit. Others move."""


def _check_model(config: Config, where: Where) -> None:
    model = config.model
    # A folder's code is the one that is there, whatever the revision says; a check names its files.
    pinned = COMMIT.fullmatch(model.revision or "") or (model.revision and Path(model.name).is_dir())
    if model.trust_remote_code and not pinned:
        known = f"{model.revision}, which can move" if model.revision else "not pinned"
        raise ConfigError(
            f"model.trust_remote_code is true, and model.revision is {known}",
            "Whatever is pushed to the repository tomorrow would run on this machine.",
            "Give model.revision the commit whose code you have read (40 hexadecimal digits).",
            where("model.trust_remote_code"),
        )
    if model.quantization and model.adapter is None:
        raise ConfigError(
            f"model.quantization is {model.quantization}, and there is no adapter",
            "Quantised weights cannot be trained themselves.",
            "Add model.adapter: lora",
            where("model.quantization"),
        )


KEEP_OBJECTS = ("galore_", "apollo_", "adamw_torch_4bit", "adamw_torch_8bit")
"""How the names of optimizers begin whose state holds objects of their own beside tensors."""


def _check_optimizer(given: Mapping[str, Any], where: Where) -> None:
    """Checkpoints hold tensors and plain values, no pickles: better said now than at the first of them."""
    name = str(given.get("optim") or "")
    if name.startswith(KEEP_OBJECTS) and not given.get("save_only_model") and given.get("save_strategy") != "no":
        raise ConfigError(
            f"train.optim is {name}, whose state no checkpoint can hold",
            "It keeps objects beside tensors, and reading those back would be to run a pickle.",
            "Write save_only_model: true (such a run cannot be resumed), or choose another optimizer, as adamw_8bit",
            where("train.optim"),
        )


def _check_best(given: Mapping[str, Any], where: Where) -> None:
    """Keeping the best checkpoint needs an evaluation at each one; transformers refuses anything else, but later."""
    rationale = "The best checkpoint can only be kept when every checkpoint is evaluated."
    saves, evaluates = given.get("save_strategy"), given.get("eval_strategy")
    if evaluates == "no":
        raise ConfigError(
            "train.load_best_model_at_end is true, and train.eval_strategy is no",
            rationale,
            "Write eval_strategy: steps",
            where("train.eval_strategy"),
        )
    if saves and evaluates and saves != evaluates:
        raise ConfigError(
            f"train.save_strategy is {saves}, and train.eval_strategy is {evaluates}",
            rationale,
            f"Write save_strategy: {evaluates}",
            where("train.save_strategy"),
        )
    save, evaluate = given.get("save_steps"), given.get("eval_steps")
    by_steps = "epoch" not in (saves, evaluates)
    if save and evaluate and by_steps and round(save * 1_000_000) % max(1, round(evaluate * 1_000_000)):
        raise ConfigError(
            f"train.save_steps is {save}, which is no multiple of train.eval_steps, {evaluate}",
            rationale,
            f"Write save_steps: {evaluate}",
            where("train.save_steps"),
        )
