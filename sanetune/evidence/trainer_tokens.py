"""Reads off a built trainer whether the embeddings of tokens that were added to its tokenizer are trained."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.engine.adapters import base_of
from sanetune.evidence.drawn_rows import untrained_rows
from sanetune.evidence.registry import MissingError

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedTokenizerBase, Trainer

FEW = 16
"""Batches in which added tokens are looked for."""
HEAD = "output head"


def frozen_parts(trainer: Trainer) -> dict[str, nn.Module]:
    """Return ``embedding``, ``output head`` or both, where nothing of them is trained: no weight, no adapter, no row.

    Raises:
        MissingError: The model has no embedding that could be found.
    """
    base = base_of(trainer.model)
    if not hasattr(base, "get_input_embeddings") or base.get_input_embeddings() is None:
        raise MissingError("the model has no embedding that can be found")
    parts = {"embedding": base.get_input_embeddings(), HEAD: base.get_output_embeddings()}
    return {
        name: part
        for name, part in parts.items()
        if part is not None and not any(weight.requires_grad for weight in part.parameters())
    }


def added_ids(trainer: Trainer, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Return the ids of tokens that the model's own tokenizer does not have, without the one that only pads.

    Raises:
        MissingError: Where the model came from, there is no tokenizer that can be read without a network.
    """
    from transformers import AutoTokenizer

    name = str(getattr(trainer.model.config, "_name_or_path", "") or "")
    try:
        own = AutoTokenizer.from_pretrained(name, local_files_only=True, trust_remote_code=False).get_vocab()
    except Exception as error:  # each kind of tokenizer has errors of its own
        raise MissingError(f"the model's own tokenizer cannot be read from {name!r}: which tokens are new?") from error
    found = {number for token, number in tokenizer.get_vocab().items() if token not in own}
    pad = tokenizer.pad_token_id
    return found - {pad} if pad != tokenizer.eos_token_id else found


def seen_added(batches: Iterable[dict[str, torch.Tensor]], added: set[int], frozen: Collection[str]) -> list[int]:
    """Return which of the ids ``added`` are in the first batches, or in their labels where the head alone is frozen.

    A token of prompts needs an embedding, and no row of the head.
    """
    read = "labels" if list(frozen) == [HEAD] else "input_ids"
    ids = (batch[read].unique().tolist() for batch in islice(batches, FEW) if read in batch)
    return sorted({int(token) for few in ids for token in few} & added)


def untrained(trainer: Trainer, added: set[int], seen: list[int], frozen: dict[str, nn.Module]) -> list[int]:
    """Return which of the added ids have rows in the parts ``frozen`` that have not been trained before either.

    Raises:
        MissingError: That is known of none of them.
    """
    base = base_of(trainer.model)
    found = sorted(set().union(*(untrained_rows(base, part, added, seen) for part in frozen.values())))
    if seen and not found:
        raise MissingError(
            f"the rows of {units.many(len(seen), 'added token')} are frozen, and the model in memory is not the one in"
            f" {base.config._name_or_path!r}: they may have been trained before"
        )
    return found
