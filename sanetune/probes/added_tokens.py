"""Checks that embeddings of tokens that were added to the model's tokenizer are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from sanetune.engine.adapters import base_of
from sanetune.engine.models import new_tokens
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import AddedTokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHOWN = 10
"""Tokens that are named, at most."""


def added_tokens(harness: ProbeHarness, tokenizer: PreTrainedTokenizerBase) -> AddedTokens:
    """Find added tokens in the first batches, and whether their rows of embedding and output head get a gradient."""
    added = set(new_tokens(harness.config.model, tokenizer))
    seen = sorted({int(token) for batch in harness.batches for token in batch["input_ids"].unique()} & added)
    if not seen:
        return AddedTokens(len(added))
    with harness.untouched():
        harness.gradients()
        base = base_of(harness.model)
        parts = {"embedding": base.get_input_embeddings(), "output head": base.get_output_embeddings()}
        frozen = tuple(name for name, part in parts.items() if part is not None and not _all_trained(part, seen))
    return AddedTokens(len(added), tuple(map(str, tokenizer.convert_ids_to_tokens(seen[:SHOWN]))), frozen)


def _all_trained(part: nn.Module, rows: list[int]) -> bool:
    """Whether each of ``rows`` of an embedding or head gets a gradient, in its weight or in peft's trainable tokens."""
    for name, weight in part.named_parameters():
        if weight.grad is None or not weight.requires_grad:
            continue
        if "trainable_tokens" in name or weight.grad.shape[0] < max(rows):
            return bool(weight.grad.any())
        if bool(weight.grad[rows].any(dim=-1).all()):
            return True
    return False
