"""The tensors of one loss of padded rows, on the shapes of a batch alone.

Shapes: see :mod:`sanetune.engine.batch_shape`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sanetune.engine.batch_shape import BatchShape
from sanetune.engine.loss import CHUNK

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def loss_on_shapes(model: PreTrainedModel, shape: BatchShape) -> Tensor:
    """Return what :class:`sanetune.engine.accelerate.loss_module.PaddedLoss` makes; its value means nothing."""
    logits = model(**shape.inputs(), logits_to_keep=shape.kept).logits  # (B, K, V)
    flat = logits[:, :-1].reshape(-1, logits.shape[-1])[shape.loss_places()]  # (N, V)
    losses = [
        torch.nn.functional.cross_entropy(some.float(), torch.zeros(len(some), dtype=torch.long), reduction="sum")
        for some in flat.split(CHUNK)
    ]
    return torch.stack(losses).sum()
