"""Reads off a built trainer whether the embeddings of tokens that were added to its tokenizer are trained."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from sanetune.evidence.registry import MissingError
from sanetune.probes.results import AddedTokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase, Trainer

FEW = 16
"""Batches in which added tokens are looked for."""
SHOWN = 10
"""Tokens that are named, at most."""
HEAD = "output head"


def frozen_parts(trainer: Trainer) -> tuple[str, ...]:
    """Return ``embedding``, ``output head`` or both, where nothing of them is trained: no weight, no adapter, no row.

    Raises:
        MissingError: The model has no embedding that could be found.
    """
    model = trainer.model
    find = getattr(model, "get_base_model", None)
    base = find() if find is not None else model
    if not hasattr(base, "get_input_embeddings") or base.get_input_embeddings() is None:
        raise MissingError("the model has no embedding that can be found")
    parts = {"embedding": base.get_input_embeddings(), HEAD: base.get_output_embeddings()}
    return tuple(
        name
        for name, part in parts.items()
        if part is not None and not any(weight.requires_grad for weight in part.parameters())
    )


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


def seen_added(
    batches: Iterable[dict[str, torch.Tensor]],
    added: set[int],
    frozen: tuple[str, ...],
    tokenizer: PreTrainedTokenizerBase,
) -> AddedTokens:
    """Find which of the ids ``added`` are in the first batches, or in their labels where the head alone is frozen.

    A token of prompts needs an embedding, and no row of the head.
    """
    read = "labels" if frozen == (HEAD,) else "input_ids"
    ids = (batch[read].unique().tolist() for batch in islice(batches, FEW) if read in batch)
    seen = sorted({int(token) for few in ids for token in few} & added)[:SHOWN]
    return AddedTokens(len(added), tuple(map(str, tokenizer.convert_ids_to_tokens(seen))), frozen)
