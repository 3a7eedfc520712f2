"""The loss of a batch, computed on its documents without padding and with shared beginnings computed once.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.adapters import base_of
from sanetune.engine.documents import attention, last_layer
from sanetune.engine.documents.last_layer import LastLayer
from sanetune.engine.documents.layout import has_packs, has_padded_rows, has_plain_rows
from sanetune.engine.documents.targets import Targets, targets_of
from sanetune.engine.documents.tree import FEWEST, PrefixTree, prefix_tree
from sanetune.engine.loss import keeps_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.engine.batches import Batch

_CHUNK = 1024
"""Places whose logits are in 32 bits at once."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a batch: token ids and labels, equally long, and the row that it is in."""

    ids: list[int]
    labels: list[int]
    row: int = 0


def documents_of(batch: Batch) -> list[Document]:
    """Return the documents of ``batch`` (B, T): its rows without padding, or the documents of its packs.

    The padding of a pack comes as one or more documents without a label, and is left out as every such document is.
    There are none where the batch is laid out in another way (:mod:`sanetune.engine.documents.layout`).
    """
    packed, padded = has_packs(batch), has_padded_rows(batch)
    if not (packed or padded or has_plain_rows(batch)):
        return []
    ids, labels = batch["input_ids"].tolist(), batch["labels"].tolist()
    found = []
    for row in range(len(ids)):
        edges = [0, len(ids[row])]
        if packed:
            starts = (batch["position_ids"][row] == 0).nonzero()[:, 0].tolist()
            edges = [*starts, len(ids[row])]
        elif padded:
            edges = [0, int(batch["attention_mask"][row].sum())]
        for low, high in pairwise(edges):
            found.append(Document(ids[row][low:high], labels[row][low:high], row))
    return [document for document in found if any(label >= 0 for label in document.labels[1:])]


@contextlib.contextmanager
def attention_as(model: PreTrainedModel, name: str = attention.NAME) -> Iterator[None]:
    """Let ``model`` use the attention that transformers knows as ``name``; without a name, that over documents.

    A backward pass that computes activations again belongs inside, too.
    """
    attention.register()
    base = base_of(model)
    before = base.config._attn_implementation
    base.set_attn_implementation(name)
    try:
        yield
    finally:
        base.set_attn_implementation(before)


@dataclass(frozen=True, slots=True)
class Merged:
    """The documents of a batch as a tree, with what it is to predict.

    Attributes:
        ids: Token ids of each document up to the last one that predicts a token in the loss: nothing reads the others.
        tree: These, merged.
        targets: What the tokens of the tree are to predict.
    """

    ids: tuple[list[int], ...]
    tree: PrefixTree
    targets: Targets

    @classmethod
    def of(cls, documents: Sequence[Document], fewest: int | None = FEWEST) -> Merged:
        """Merge ``documents`` that begin with ``fewest`` equal tokens at least; None: merge none."""
        ids = tuple(document.ids[: _last_label(document.labels)] for document in documents)
        tree = prefix_tree(ids, fewest)
        return cls(ids, tree, targets_of(tree, [document.labels for document in documents]))


def _last_label(labels: Sequence[int]) -> int:
    """Return the index of the last label in the loss, which the token before it predicts; 0 where there is none."""
    return next((place for place in range(len(labels) - 1, 0, -1) if labels[place] != IGNORE_INDEX), 0)


def prediction_losses(model: PreTrainedModel, merged: Merged, last: LastLayer | None = None) -> Tensor:
    """Return the cross entropy of each prediction of ``merged.targets`` in nats, in float32; differentiable.

    Args:
        model: The model, inside :func:`attention_as`.
        merged: What is computed.
        last: Its last layer, with hooks that leave out what no logits need; None: all of it is computed.

    Raises:
        UnsupportedAttentionError: The model does what these hooks or this attention cannot know.
    """
    tree, targets = merged.tree, merged.targets
    device = model.get_input_embeddings().weight.device
    ids, positions, places, rows, labels = (
        torch.from_numpy(some).to(device)
        for some in (tree.ids, tree.positions, targets.places, targets.rows, targets.labels)
    )
    inputs: dict[str, Any] = {attention.ARGUMENT: tree.nodes}
    kept = last.kept(tree.nodes, targets.places, device) if last is not None else None
    if kept is not None:
        inputs[last_layer.ARGUMENT], places = kept, kept.logits
    if keeps_logits(model):
        inputs["logits_to_keep"] = places
    logits = attention.without_masks(
        lambda: model(input_ids=ids[None], position_ids=positions[None], use_cache=False, **inputs).logits
    )[0]
    if logits.shape[0] != len(places):
        if logits.shape[0] != (len(ids) if kept is None else len(kept.places)):
            raise attention.UnsupportedAttentionError("gives logits of other places than were asked for")
        logits = logits[places]
    if len(rows) != len(places):
        logits = logits[rows]
    losses = [
        functional.cross_entropy(some.float(), ids_, reduction="none")
        for some, ids_ in zip(logits.split(_CHUNK), labels.to(logits.device).split(_CHUNK), strict=True)
    ]
    return torch.cat(losses)


def document_loss(model: PreTrainedModel, merged: Merged, last: LastLayer | None = None) -> tuple[Tensor, Tensor]:
    """Return the sum of the losses of all tokens in the loss, each as often as documents count it, and their number.

    The arguments are those of :func:`prediction_losses`.
    """
    losses = prediction_losses(model, merged, last)
    counts = torch.from_numpy(merged.targets.counts).to(losses)
    return (losses * counts).sum(), counts.sum().long()


@torch.no_grad()
def losses_of_rows(
    model: PreTrainedModel, merged: Merged, last: LastLayer | None = None, *, rows: Sequence[int], count: int
) -> tuple[Tensor, Tensor]:
    """Return what :func:`document_loss` does of each of B rows alone: losses (B) in float64, and counts (B).

    Args:
        model: See :func:`prediction_losses`, also for the next two.
        merged: See there.
        last: See there.
        rows: The row of each document.
        count: B.
    """
    losses = prediction_losses(model, merged, last).double().cpu()
    targets = merged.targets
    row_of = torch.repeat_interleave(torch.tensor(rows), torch.tensor(targets.lengths))
    each = losses[torch.from_numpy(targets.predictions)]
    return losses.new_zeros(count).index_add_(0, row_of, each), torch.bincount(row_of, minlength=count)
