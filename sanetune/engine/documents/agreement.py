"""Whether a model gives documents in a tree the losses and gradients of separate rows, measured on some of them.

Layers that join tokens by other ways than transformers' attention functions (convolutions, recurrences, biases of
distances) cannot know that the tokens next to each other belong to different documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sanetune.data.collator import Collator
from sanetune.engine.batches import on_device
from sanetune.engine.documents.attention import UnsupportedAttentionError
from sanetune.engine.documents.forward import Document, Merged, attention_as, prediction_losses
from sanetune.engine.loss import token_losses
from sanetune.rng import kept_modes
from sanetune.text import shorten

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    from sanetune.engine.documents.last_layer import LastLayer


TOLERANCE = 1e-4
"""Largest relative difference in 32 bits; those of 15 architectures were 1e-6 at most."""
TOLERANCE_16 = 0.3
"""The same of a model whose weights have 16 bits or fewer, where sums in another order move gradients by a tenth."""
_NUMBERS = 2**22
"""Most numbers of the weights whose gradients are compared: a copy of all of them may not fit."""


def disagreement(
    model: PreTrainedModel, documents: Sequence[Document], fewest: int | None, last: LastLayer | None = None
) -> str:
    """Return in what separate rows and a tree of the same ``documents`` differ; "" if in nothing.

    Random states, modes and gradients of the model stay as they are. Mixed precision is off: rounding to 16 bits would
    move the gradients of a real model by a tenth (SmolLM2-135M), and hide what is compared.

    Args:
        model: The model, with its own attention.
        documents: A few documents with tokens in the loss.
        fewest: Tokens of a beginning from which on it is shared; None: none is.
        last: The last layer, with its hooks attached, where it leaves out what no logits need.
    """
    weights = _compared_weights(model)
    exact = all(weight.dtype == torch.float32 for weight in model.parameters())
    with kept_modes(model), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        model.eval()
        losses, gradients = _separate(model, documents, weights)
        try:
            with attention_as(model):
                merged_losses, merged_gradients = _merged(model, Merged.of(documents, fewest), weights, last)
                leaks = not exact and _leaks(model, documents)
        except UnsupportedAttentionError as error:
            return f"its attention {error}"
    if leaks:
        return "documents see each other"
    most = TOLERANCE if exact else TOLERANCE_16
    for name, one, other in (("losses", losses, merged_losses), ("gradients", gradients, merged_gradients)):
        difference = float((one - other).norm() / one.norm().clamp(min=1e-12))
        if not difference <= most:  # NaN is none
            return f"{name} differ by {difference:.1g} of their size"
    return ""


def few_documents(documents: Sequence[Document], fewest: int | None, longer_than: int = 0) -> list[Document]:
    """Return few and short ones of ``documents`` that show what the whole batch does.

    Where the batch shares beginnings, two of them do; where one has more tokens than ``longer_than``, one of them has.
    """
    ordered = sorted(documents, key=lambda document: len(document.ids))
    shared = Merged.of(ordered, fewest).tree.is_shared
    long = next((document for document in ordered if len(document.ids) > longer_than), ordered[-1])
    some = [document for document in ordered[:3] if document is not long]
    for number in range(len(some), len(ordered) + 1):
        chosen = [*some, *(one for one in ordered[len(some) : number] if one is not long), long]
        if Merged.of(chosen, fewest).tree.is_shared == shared:
            return chosen
    return ordered


def _compared_weights(model: PreTrainedModel) -> list[nn.Parameter]:
    """Return the smallest trained weights (norms, biases, adapters), which every layer has some of."""
    trained = sorted((weight for weight in model.parameters() if weight.requires_grad), key=Tensor.numel)
    chosen, numbers = trained[:1], 0
    for weight in trained[1:]:
        numbers += weight.numel()
        if numbers > _NUMBERS:
            break
        chosen.append(weight)
    return chosen


def _separate(
    model: PreTrainedModel, documents: Sequence[Document], weights: Sequence[nn.Parameter]
) -> tuple[Tensor, Tensor]:
    rows = [{"input_ids": document.ids, "labels": document.labels} for document in documents]
    device = model.get_input_embeddings().weight.device
    losses = token_losses(model, on_device(Collator(pad_token_id=0)(rows), device)).sum(dim=1)
    return losses.detach(), _gradients(losses.sum(), weights)


def _merged(
    model: PreTrainedModel, merged: Merged, weights: Sequence[nn.Parameter], last: LastLayer | None
) -> tuple[Tensor, Tensor]:
    targets = merged.targets
    try:
        predictions = prediction_losses(model, merged, last)
    except RuntimeError as error:
        if last is None:
            raise
        raise UnsupportedAttentionError(f"needs every token ({shorten(str(error), 80)})") from error
    each = predictions[torch.from_numpy(targets.predictions).to(predictions.device)].split(targets.lengths)
    losses = torch.stack([some.sum() for some in each])
    return losses.detach(), _gradients(losses.sum(), weights)


def _leaks(model: PreTrainedModel, documents: Sequence[Document]) -> bool:
    """Return whether other tokens in the first document change the losses of the others, which no rounding does."""
    first, *others = documents
    changed = Document([max(token - 1, 0) for token in first.ids], first.labels)
    with torch.no_grad():
        one, other = (
            prediction_losses(model, merged)[torch.from_numpy(merged.targets.predictions)][merged.targets.lengths[0] :]
            for merged in (Merged.of([some, *others], None) for some in (first, changed))
        )
    return bool(((one - other).abs() > 1e-5 * one.abs().max()).any()) if others else False


def _gradients(loss: Tensor, weights: Sequence[nn.Parameter]) -> Tensor:
    if not weights:
        return loss.detach().reshape(1)
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    flat = [(torch.zeros_like(one) if some is None else some) for some, one in zip(found, weights, strict=True)]
    return torch.cat([some.float().reshape(-1) for some in flat])
