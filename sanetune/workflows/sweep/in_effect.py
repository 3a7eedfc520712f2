"""What a trial changes in effect: it has the learning rate of its own method, and no pattern that freezes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.config.load import load
from sanetune.config.schema import Config, ModelSection
from sanetune.config.sizes import ModelSizes
from sanetune.planning.defaults import method_of
from sanetune.planning.gather import model_sizes
from sanetune.planning.learning_rates import Method, learning_rate
from sanetune.text import in_a_row
from sanetune.workflows.sweep.space import LR, Changes, as_overrides, short_name

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PATTERNS = ("freeze", "train_only")
"""Keys of ``model`` whose patterns freeze weights."""
NAMES: dict[Method, str] = {"full": "full fine-tuning", "lora": "LoRA", "qlora": "QLoRA"}


def in_effect(
    config: Config, changes: Changes, lr_of: Method | None, tokenizer: PreTrainedTokenizerBase
) -> tuple[Changes, list[str]]:
    """Return what a trial that makes ``changes`` changes in effect, and what of that is to be said.

    A pattern that freezes nothing, as ``embed_tokens`` beside an adapter, becomes none: trials that train the same
    weights are one. A trial of another method than ``lr_of`` gets the learning rate that is inferred for its own.

    Args:
        config: What all trials share.
        changes: What was typed for this one, or what this function has returned for it.
        lr_of: Method that the configuration's learning rate is for; None: the learning rate is typed.
        tokenizer: That of the rows.
    """
    found, notes = dict(changes), []
    trial = load(config, list(as_overrides(changes)))
    method, section = method_of(trial), trial.model
    for key in PATTERNS:
        name = f"model.{key}"
        if found.get(name) and not _freezes(section, key, tokenizer):
            given = ",".join(getattr(section, key))
            notes.append(f"{key}={given} freezes nothing in trials of {NAMES[method]}: they are those of {key}=none.")
            found[name] = None
            section = section.model_copy(update={key: None})
    if lr_of is not None and method != lr_of and LR not in found:
        sizes = model_sizes(section)
        found[LR] = learning_rate(method, sizes.parameters, sizes.hidden)[0]
    return found, notes


def _freezes(section: ModelSection, key: str, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the patterns of ``key`` freeze a weight that is trained without them."""
    from sanetune.engine.models import new_tokens

    if section.adapter is not None and new_tokens(section, tokenizer):
        return True  # their rows are trained too, which the sizes leave out
    without = section.model_copy(update={key: None})
    return model_sizes(section).trainable != model_sizes(without).trainable


def said_of_methods(config: Config, every: Iterable[Changes], lr_of: Method | None, sizes: ModelSizes) -> list[str]:
    """Return what is to be said of the learning rates of trials, where they are of several methods.

    Args:
        config: What all trials share.
        every: What each trial changes in effect.
        lr_of: As for :func:`in_effect`.
        sizes: Of the model.
    """
    methods = {method_of(load(config, list(as_overrides(changes)))): changes.get(LR) for changes in every}
    others = [method for method in methods if lr_of is not None and method != lr_of]
    if lr_of is not None and others:
        own = [f"{units.lr(float(str(methods[one])))} in trials of {NAMES[one]}" for one in others]
        return [
            f"The learning rate of the configuration is for {NAMES[lr_of]}: it is {in_a_row(own)}, as inferred for "
            f"{'it' if len(own) == 1 else 'them'}. To try others, give {short_name(LR)}=V1,V2."
        ]
    if lr_of is None and len(methods) > 1:
        wanted = {one: learning_rate(one, sizes.parameters, sizes.hidden)[0] for one in methods}
        words = in_a_row([f"{units.lr(lr)} for {NAMES[one]}" for one, lr in wanted.items()])
        return [
            "Methods were compared at the same learning rate, as it was given, although they want different ones: "
            f"{words} are inferred where {short_name(LR)} is left out."
        ]
    return []
