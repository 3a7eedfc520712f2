"""What of a model is trained: an adapter beside frozen weights, or the weights that patterns choose."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.errors import ModelError
from sanetune.text import did_you_mean

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from sanetune.config.schema import AdapterSection


@dataclass(frozen=True, slots=True)
class Frozen:
    """What freezing did.

    Attributes:
        matched: Pattern -> how many weights it matched.
        trainable: Numbers in all weights that are trained.
        parameters: Numbers in all weights.
    """

    matched: dict[str, int] = field(default_factory=dict)
    trainable: int = 0
    parameters: int = 0


def base_of(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """Return the model below its adapter; the model itself where it has none."""
    base: PreTrainedModel = model.get_base_model() if hasattr(model, "get_base_model") else model
    return base


def rows_of(weight: Tensor) -> int:
    """Return the rows of a whole weight: DeepSpeed's ZeRO-3 leaves an empty tensor, with the shape beside it."""
    return int(getattr(weight, "ds_shape", weight.shape)[0])


def numbers_of(weights: Iterable[Tensor]) -> int:
    """Return how many numbers are in whole ``weights``, whatever ZeRO-3 has left of them here."""
    return sum(int(getattr(weight, "ds_numel", weight.numel())) for weight in weights)


@contextmanager
def without_virtual_tokens(model: PreTrainedModel | PeftModel) -> Iterator[None]:
    """Leave the virtual tokens of an adapter out that puts some before each row; any other model stays as it is."""
    learned = getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False)
    with model.disable_adapter() if learned else nullcontext():
        yield


def add_adapter(model: PreTrainedModel, adapter: AdapterSection, new_tokens: Sequence[int] = ()) -> PeftModel:
    """Freeze ``model`` and put LoRA layers beside its weights. Draws their start from torch's random state.

    ``new_tokens`` are ids that the base never saw, such as those of a template that was given to it: their rows in
    embedding and head are trained too, for a frozen random row could be neither read nor written (the answer would
    never end).
    """
    from peft import LoraConfig, TaskType, get_peft_model

    target: str | list[str] = "all-linear"
    if adapter.target != "all-linear":
        target = _targets(model, [adapter.target] if isinstance(adapter.target, str) else adapter.target)
    saved = adapter.modules_to_save or []
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=adapter.r,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules=target,
        modules_to_save=saved or None,
        use_rslora=adapter.rslora,
        use_dora=adapter.dora,
        bias="none",
        trainable_token_indices=_rows_to_train(model, adapter, new_tokens) or None,
    )
    if absent := [name for name in saved if not matching([name], _module_names(model))[name]]:
        raise _no_match("model.adapter.modules_to_save", absent[0], _module_names(model))
    tuned = get_peft_model(model, config)
    head = model.get_output_embeddings()
    if head is not None and not hasattr(head, "bias"):
        # peft's wrapper around trained rows passes on the weight alone; TRL's fused head asks for the bias too.
        object.__setattr__(head, "bias", getattr(head.original_module, "bias", None))
    return tuned


def _rows_to_train(model: PreTrainedModel, adapter: AdapterSection, new_tokens: Sequence[int]) -> dict[str, list[int]]:
    """Module to rows: the embedding, and the head where it is not the embedding again (peft follows the tie)."""
    if not new_tokens:
        return {}
    return {name: list(new_tokens) for name in token_modules(model) if name not in (adapter.modules_to_save or [])}


def token_modules(model: PreTrainedModel) -> list[str]:
    """Return the last part of the names of the modules with a row for each token: the embedding, and an own head."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    wanted = [embedding] if head is None or head.weight is embedding.weight else [embedding, head]
    return [name.split(".")[-1] for module in wanted for name, own in model.named_modules() if own is module]


def _targets(model: PreTrainedModel, patterns: Sequence[str]) -> list[str]:
    """The full names of the linear layers that the patterns choose."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    linear = {name: m for name, m in model.named_modules() if isinstance(m, (torch.nn.Linear, Conv1D))}
    found = matching(patterns, linear)
    for pattern, names in found.items():
        if not names:
            raise _no_match("model.adapter.target", pattern, (n for n, m in linear.items() if m is not head))
    chosen = sorted({name for names in found.values() for name in names})
    if any(linear[name] is head for name in chosen):
        raise ModelError(
            "model.adapter.target chooses the output head (lm_head).",
            "TRL computes the loss from the head's weight directly, so an adapter on it would never be trained.",
            "Leave it out, or put it under model.adapter.modules_to_save to train the whole head.",
        )
    return chosen


def freeze(model: nn.Module, patterns: Sequence[str] | None, only: Sequence[str] | None) -> Frozen:
    """Freeze the weights that ``patterns`` match; of the rest, train only what ``only`` matches (None: all of it).

    A pattern is a run of dotted parts of a weight's name with shell wildcards per part: ``embed_tokens``,
    ``layers.[0-3]``, ``*.bias``. ``layers.1`` does not match ``layers.10``. A pattern that matches nothing is a
    :class:`ModelError`.
    """
    weights = dict(model.named_parameters())
    matched: dict[str, int] = {}
    if only:
        found = _found(model, "model.train_only", only, weights)
        kept = {name for names in found.values() for name in names}
        for name, weight in weights.items():
            if name not in kept:
                weight.requires_grad_(False)
        matched |= {pattern: len(names) for pattern, names in found.items()}
    if patterns:
        found = _found(model, "model.freeze", patterns, weights)
        for name in {name for names in found.values() for name in names}:
            weights[name].requires_grad_(False)
        matched |= {pattern: len(names) for pattern, names in found.items()}
    trainable = numbers_of(w for w in weights.values() if w.requires_grad)
    if trainable == 0:
        raise ModelError(
            f"All {len(weights)} weights of the model are frozen.",
            "A run would change nothing.",
            "Loosen model.freeze or model.train_only.",
        )
    return Frozen(matched, trainable, numbers_of(weights.values()))


def matching(patterns: Iterable[str], names: Iterable[str]) -> dict[str, list[str]]:
    """The names that each pattern matches, in the order of ``names``."""
    parts = {name: name.split(".") for name in names}
    return {pattern: [name for name in parts if _matches(pattern.split("."), parts[name])] for pattern in patterns}


def _matches(pattern: list[str], name: list[str]) -> bool:
    width = len(pattern)
    return any(
        all(fnmatch.fnmatchcase(part, want) for part, want in zip(name[i : i + width], pattern, strict=True))
        for i in range(len(name) - width + 1)
    )


def _found(model: nn.Module, key: str, patterns: Sequence[str], weights: Mapping[str, object]) -> dict[str, list[str]]:
    found = matching([patterns] if isinstance(patterns, str) else patterns, weights)
    for pattern, names in found.items():
        if names:
            continue
        everything = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        if matching([pattern], everything)[pattern]:
            raise ModelError(
                f"{key}: {pattern!r} matches only weights that are tied to others.",
                "A tied weight (often lm_head, which is the embedding again) cannot be frozen or trained by itself.",
                "Name the weight that it is tied to, usually embed_tokens.",
            )
        raise _no_match(key, pattern, weights)
    return found


def _module_names(model: nn.Module) -> list[str]:
    return [name for name, _ in model.named_modules() if name]


def _no_match(key: str, pattern: str, names: Iterable[str]) -> ModelError:
    """The error for a pattern that matches nothing: near names first, then which last parts exist."""
    names = list(names)
    parts = list(dict.fromkeys(part for name in names for part in name.split(".") if not part.isdigit()))
    hint = did_you_mean(pattern.split(".")[-1], parts, cutoff=0.5)
    ends = list(dict.fromkeys(name.split(".")[-1] for name in names)) if key.endswith("target") else parts
    return ModelError(
        f"{key}: {pattern!r} matches none of the {len(names)} names in the model.",
        "A pattern that matches nothing would leave the run different from what was asked for.",
        f"{hint}Parts that exist: {', '.join(ends[:24])}{', …' if len(ends) > 24 else ''}; e.g. {names[0]}.",
    )
