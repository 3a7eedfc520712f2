"""The loss: one definition for every engine, for validation, for probes and for tests.

.. math:: L = \\frac{\\sum_{t \\in loss} -\\log p(x_t \\mid x_{<t})}{|loss|}

over the tokens in the loss (label not -100) of the whole effective batch: a token weighs the same in a short row and a
long one, and however the batch is split into micro-batches, devices or packs.

Shapes: B rows of a batch, T tokens of its longest row, K places whose logits are kept, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.adapters import base_of
from sanetune.engine.batches import Batch, Collate, Row, on_device
from sanetune.rng import kept_modes

if TYPE_CHECKING:
    import datasets
    from transformers import PreTrainedModel

CHUNK = 1024
"""Tokens whose logits are in 32 bits at once."""
LOGITS = 2**28
"""Most logits of one batch when a loss is measured (1 GiB in 32 bits): their number, not the model's size, is what
fills the memory where the vocabulary is large."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A loss per token in the loss (nats), and over how many tokens it was measured. NaN over none."""

    loss: float
    tokens: int

    @classmethod
    def of(cls, total: float, tokens: int) -> Measured:
        """Return the loss of ``tokens`` tokens whose losses add up to ``total`` nats."""
        return cls(total / tokens if tokens else float("nan"), tokens)


def summed_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of the cross entropy over the tokens in the loss, in float32, and their number.

    Args:
        logits: (B, T, V).
        labels: (B, T); the label at t is predicted from t - 1.
    """
    logits = logits[:, :-1].reshape(-1, logits.shape[-1])
    labels = labels[:, 1:].reshape(-1).to(logits.device)
    counted = labels != IGNORE_INDEX
    logits, labels = logits[counted], labels[counted]
    total = logits.new_zeros((), dtype=torch.float32)
    # In chunks: the float32 copy of all logits of a large vocabulary would be the largest tensor of the run.
    for some_logits, some_labels in zip(logits.split(CHUNK), labels.split(CHUNK), strict=True):
        total = total + functional.cross_entropy(some_logits.float(), some_labels, reduction="sum")
    return total, counted.sum()


def row_losses(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return what :func:`summed_loss` does of each row alone: sums (B) in float64, not differentiable, and counts (B);
    on the processor, since not every device has float64.

    The arguments are those of :func:`summed_loss`.
    """
    logits, labels = logits[:, :-1].detach(), labels[:, 1:].to(logits.device)
    counted = labels != IGNORE_INDEX
    chunks = zip(logits[counted].split(CHUNK), labels[counted].split(CHUNK), strict=True)
    losses = torch.cat([functional.cross_entropy(some.float(), ids, reduction="none") for some, ids in chunks])
    sums = torch.zeros(len(labels), dtype=torch.float64)
    return sums.index_add_(0, counted.nonzero()[:, 0].cpu(), losses.cpu().double()), counted.sum(dim=1).cpu()


def token_losses(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the cross entropy of every token of ``batch`` (B, T) in nats; differentiable.

    It is 0 where the label is masked, and in the first column.
    """
    logits, labels, places = kept_logits(model, batch)
    losses = torch.zeros(batch["labels"].shape, device=logits.device)
    for row in range(len(labels)):  # row by row: the float32 copy of all logits would be the largest tensor
        target = labels[row, 1:].to(logits.device)
        losses[row, places[1:]] = functional.cross_entropy(
            logits[row, :-1].float(), target, ignore_index=IGNORE_INDEX, reduction="none"
        )
    return losses


def batch_loss(model: PreTrainedModel, batches: Sequence[Batch]) -> Tensor:
    """Return the loss of one effective batch given as micro-batches (B, T each); differentiable."""
    sums, counts = zip(*(_forward(model, batch) for batch in batches), strict=True)
    return torch.stack(list(sums)).sum() / torch.stack(list(counts)).sum().clamp(min=1)


@torch.no_grad()
def measure(model: PreTrainedModel, rows: datasets.Dataset, collate: Collate, *, batch_size: int = 8) -> Measured:
    """Return the loss of ``model`` over all ``rows``, whatever the batch size. The modes of its modules stay.

    Args:
        model: Any causal language model; dropout is off while it is measured.
        rows: Examples or packs.
        collate: What makes a batch of rows; see :func:`sanetune.engine.batches.collate_for`.
        batch_size: Most rows at once; fewer where their logits would be more than :data:`LOGITS`.
    """
    device = next(model.parameters()).device
    total, tokens = 0.0, 0
    with kept_modes(model):
        model.eval()
        for some in fitting(rows, batch_size, model.get_input_embeddings().weight.shape[0]):
            loss, count = _forward(model, on_device(collate(some), device))
            total, tokens = total + float(loss), tokens + int(count)
    return Measured.of(total, tokens)


def fitting(rows: datasets.Dataset, most: int, vocabulary: int) -> Iterator[list[Row]]:
    """Yield ``rows`` in batches of at most ``most`` whose padded logits (B, T, V) stay within :data:`LOGITS`.

    A row alone always comes. ``vocabulary`` is V.
    """
    some: list[Row] = []
    width = 0
    for number in range(len(rows)):
        row = rows[number]
        wider = max(width, len(row["input_ids"]))
        if some and (len(some) == most or (len(some) + 1) * wider * vocabulary > LOGITS):
            yield some
            some, wider = [], len(row["input_ids"])
        some.append(row)
        width = wider
    if some:
        yield some


def _forward(model: PreTrainedModel, batch: Batch) -> tuple[Tensor, Tensor]:
    logits, labels, _ = kept_logits(model, batch)
    return summed_loss(logits, labels)


def kept_logits(
    model: PreTrainedModel, batch: Batch, forward: Callable[..., Any] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the logits that the loss of ``batch`` (B, T) needs, computed nowhere else.

    Kept are the places before a token in the loss of any row, each followed by that token, so that the label at t is
    predicted from t - 1 as ever; all places where the model cannot leave any out.

    Args:
        model: The model.
        batch: Its inputs and labels.
        forward: What to call instead of the model, of which it is a part.

    Returns:
        Logits (B, K, V), labels (B, K), and the places' numbers in the row (K).
    """
    forward = forward or model
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    labels = batch["labels"]
    every = torch.arange(labels.shape[1], device=labels.device)
    # Without `use_cache=False` transformers lets the documents of a pack see each other.
    if not keeps_logits(model):
        return forward(**inputs, use_cache=False).logits, labels, every
    counted = (labels[:, 1:] != IGNORE_INDEX).any(dim=0)
    needed = torch.zeros(labels.shape[1], dtype=torch.bool, device=labels.device)
    needed[:-1] |= counted
    needed[1:] |= counted
    places = needed.nonzero()[:, 0]
    logits = forward(**inputs, use_cache=False, logits_to_keep=places).logits
    if logits.shape[1] != len(places):  # a model that takes the argument and ignores it
        return logits, labels, every
    kept = labels[:, places].clone()
    # A place that is kept only as the one before must not be predicted from a place that is not its neighbour.
    kept[:, 1:][:, places[1:] != places[:-1] + 1] = IGNORE_INDEX
    return logits, kept, places


def keeps_logits(model: PreTrainedModel) -> bool:
    """Return whether ``model`` computes the logits of chosen places alone (``logits_to_keep``)."""
    return "logits_to_keep" in inspect.signature(type(base_of(model)).forward).parameters
