"""Checks values that are valid alone against each other."""

from __future__ import annotations

from collections.abc import Callable

from sanetune.config.schema import Config
from sanetune.errors import ConfigError, Place

Where = Callable[[str], Place | None]
"""``section.key`` -> where its value is written."""


def check_consistency(config: Config, where: Where) -> None:
    """Check that no two values contradict each other.

    Raises:
        ConfigError: For the first two that do, with the place that ``where`` gives.
    """
    model, given = config.model, config.train.given

    def clash(path: str, what: str, why: str, fix: str) -> ConfigError:
        return ConfigError(what, why, fix, where(path))

    if model.trust_remote_code and not model.revision:
        raise clash(
            "model.trust_remote_code",
            "model.trust_remote_code is true, and model.revision is not pinned",
            "Whatever is pushed to the repository tomorrow would run on this machine.",
            "Give model.revision the commit whose code you have read.",
        )
    if model.quantization and model.adapter is None:
        raise clash(
            "model.quantization",
            f"model.quantization is {model.quantization}, and there is no adapter",
            "Quantised weights cannot be trained themselves.",
            "Add model.adapter: lora",
        )
    if given.get("bf16") and given.get("fp16"):
        raise clash(
            "train.fp16", "train.bf16 and train.fp16 are both true", "A run has one precision.", "Keep one of them."
        )
    _check_best(config, clash)


def _check_best(config: Config, clash: Callable[[str, str, str, str], ConfigError]) -> None:
    """Keeping the best needs an evaluation at every checkpoint (transformers refuses anything else, but only later)."""
    given = config.train.given
    if not given.get("load_best_model_at_end") or given.get("save_strategy") == "best":
        return
    why = "The best checkpoint can only be kept when every checkpoint is evaluated."
    saves, evaluates = given.get("save_strategy"), given.get("eval_strategy")
    if evaluates == "no":
        raise clash(
            "train.eval_strategy",
            "train.load_best_model_at_end is true, and train.eval_strategy is no",
            why,
            "Write eval_strategy: steps",
        )
    if saves and evaluates and saves != evaluates:
        raise clash(
            "train.save_strategy",
            f"train.save_strategy is {saves}, and train.eval_strategy is {evaluates}",
            why,
            f"Write save_strategy: {evaluates}",
        )
    save, evaluate = given.get("save_steps"), given.get("eval_steps")
    by_steps = "epoch" not in (saves, evaluates)
    if save and evaluate and by_steps and round(save * 1_000_000) % max(1, round(evaluate * 1_000_000)):
        raise clash(
            "train.save_steps",
            f"train.save_steps is {save}, which is no multiple of train.eval_steps, {evaluate}",
            why,
            f"Write save_steps: {evaluate}",
        )
