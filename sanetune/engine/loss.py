"""The loss: one definition for both engines, for validation, and for tests.

.. math:: L = \\frac{\\sum_{t \\in learnt} -\\log p(x_t \\mid x_{<t})}{|learnt|}

over the learnt tokens (label not -100) of the whole effective batch: a token weighs the same in a short row and a long
one, and however the batch is cut into micro-batches, devices or packs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

MASKED = -100
_CHUNK = 1024
LOGITS = 2**28
"""Most logits of one batch when a loss is measured (1 GiB in 32 bits): their number, not the model's size, is what
fills the memory where the vocabulary is large."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A loss per learnt token (nats), and over how many tokens it was measured. NaN over none."""

    loss: float
    tokens: int


def token_losses(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the cross entropy over learnt tokens, in float32, and their number; the label at t is predicted from t -
    1."""
    logits = logits[:, :-1].reshape(-1, logits.shape[-1])
    labels = labels[:, 1:].reshape(-1).to(logits.device)
    learnt = labels != MASKED
    logits, labels = logits[learnt], labels[learnt]
    total = logits.new_zeros((), dtype=torch.float32)
    # In chunks: the float32 copy of all logits of a large vocabulary would be the largest tensor of the run.
    for some_logits, some_labels in zip(logits.split(_CHUNK), labels.split(_CHUNK), strict=True):
        total = total + functional.cross_entropy(some_logits.float(), some_labels, reduction="sum")
    return total, learnt.sum()


def batch_loss(model: Any, batches: Sequence[dict[str, Tensor]]) -> Tensor:
    """The loss of one effective batch given as micro-batches; differentiable."""
    sums, counts = zip(*(_forward(model, batch) for batch in batches), strict=True)
    return torch.stack(list(sums)).sum() / torch.stack(list(counts)).sum().clamp(min=1)


@torch.no_grad()
def measure(
    model: Any, rows: Any, collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]], *, batch_size: int = 8
) -> Measured:
    """The loss of ``model`` over all ``rows`` (a data set of examples or packs), whatever the batch size: at most
    ``batch_size`` rows at once, fewer where their logits would be more than :data:`LOGITS`.

    Leaves the model's training mode as it was.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    total, tokens = 0.0, 0
    try:
        for some in fitting(rows, batch_size, model.get_input_embeddings().weight.shape[0]):
            batch = collate(some)
            loss, count = _forward(model, {key: value.to(device) for key, value in batch.items()})
            total, tokens = total + float(loss), tokens + int(count)
    finally:
        model.train(was_training)
    return Measured(total / tokens if tokens else float("nan"), tokens)


def fitting(rows: Any, most: int, vocabulary: int) -> Iterator[list[dict[str, Any]]]:
    """Rows in batches of at most ``most``, whose padded logits stay within LOGITS; a row alone always comes."""
    some: list[dict[str, Any]] = []
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


def _forward(model: Any, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    logits, labels, _ = kept_logits(model, batch)
    return token_losses(logits, labels)


def kept_logits(
    model: Any, batch: dict[str, Tensor], forward: Callable[..., Any] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels and places (their numbers in the row) of what some row of the batch needs: the places before a
    learnt token, each followed by it, so that the label at t is predicted from t - 1 as ever. All places where the
    model cannot leave any out. ``forward``: what to call instead of the model, of which it is a part."""
    forward = forward or model
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    labels = batch["labels"]
    every = torch.arange(labels.shape[1], device=labels.device)
    # Without `use_cache=False` transformers lets the documents of a pack see each other.
    if not _keeps(model):
        return forward(**inputs, use_cache=False).logits, labels, every
    learnt = (labels[:, 1:] != MASKED).any(dim=0)
    needed = torch.zeros(labels.shape[1], dtype=torch.bool, device=labels.device)
    needed[:-1] |= learnt
    needed[1:] |= learnt
    places = needed.nonzero()[:, 0]
    logits = forward(**inputs, use_cache=False, logits_to_keep=places).logits
    if logits.shape[1] != len(places):  # a model that takes the argument and does not heed it
        return logits, labels, every
    kept = labels[:, places].clone()
    # A place that is kept only as the one before must not be predicted from a place that is not its neighbour.
    kept[:, 1:][:, places[1:] != places[:-1] + 1] = MASKED
    return logits, kept, places


def _keeps(model: Any) -> bool:
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(type(base).forward).parameters
