"""The loss: one definition for both engines, for validation, and for tests.

.. math:: L = \\frac{\\sum_{t \\in learnt} -\\log p(x_t \\mid x_{<t})}{|learnt|}

over the learnt tokens (label not -100) of the whole effective batch: a token weighs the same in a short row and a long
one, and however the batch is cut into micro-batches, devices or packs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

MASKED = -100
_CHUNK = 1024


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
    """The loss of ``model`` over all ``rows`` (a data set of examples or packs), whatever the batch size.

    Leaves the model's training mode as it was.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    total, tokens = 0.0, 0
    try:
        for start in range(0, len(rows), batch_size):
            batch = collate([rows[i] for i in range(start, min(start + batch_size, len(rows)))])
            loss, count = _forward(model, {key: value.to(device) for key, value in batch.items()})
            total, tokens = total + float(loss), tokens + int(count)
    finally:
        model.train(was_training)
    return Measured(total / tokens if tokens else float("nan"), tokens)


def _forward(model: Any, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    # Without `use_cache=False` transformers lets the documents of a pack see each other.
    return token_losses(model(**inputs, use_cache=False).logits, batch["labels"])
