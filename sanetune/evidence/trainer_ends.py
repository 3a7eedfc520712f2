"""What pads a trainer's rows, and what ends their texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer


def stop_tokens_of(trainer: Trainer, tokenizer: PreTrainedTokenizerBase | None) -> frozenset[int]:
    """What ends generation of the model as it will be saved."""
    given = getattr(getattr(trainer.model, "generation_config", None), "eos_token_id", None)
    if given is None:
        given = getattr(trainer.model.config, "eos_token_id", None)
    many = given if isinstance(given, list) else [given]
    own = tokenizer.eos_token_id if tokenizer is not None else None
    return frozenset(token for token in (*many, own) if isinstance(token, int))


def pad_and_ends(trainer: Trainer, tokenizer: PreTrainedTokenizerBase | None) -> tuple[int, frozenset[int]]:
    """Id that pads (an end of texts where nothing is said, else 0), and the ids that end texts."""
    ends = stop_tokens_of(trainer, tokenizer)
    given = (getattr(tokenizer, "pad_token_id", None), getattr(trainer.model.config, "pad_token_id", None))
    pad = next((one for one in (*given, *sorted(ends)) if isinstance(one, int) and one >= 0), 0)
    return pad, ends
