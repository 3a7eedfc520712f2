"""The tensors of one loss of TRL's trainer, on the shapes of a batch alone.

Shapes: see :mod:`sanetune.engine.batch_shape`; H width of the hidden states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from sanetune.engine.adapters import base_of
from sanetune.engine.batch_shape import BatchShape
from sanetune.engine.trl.logits import MOST

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def loss_on_shapes(model: PreTrainedModel, shape: BatchShape, device: str) -> Tensor:
    """See :meth:`sanetune.engine.base.Engine.loss_on_shapes`."""
    vocabulary = base_of(model).get_output_embeddings().weight.shape[0]
    if device == "cpu" and shape.rows * shape.row_tokens * vocabulary <= MOST:
        return _of_kept_logits(model, shape)
    return _of_tiles(base_of(model), shape, only_loss=device == "cuda")


def _of_kept_logits(model: PreTrainedModel, shape: BatchShape) -> Tensor:
    """What :func:`sanetune.engine.trl.logits.judged` makes."""
    logits = model(**shape.inputs(), logits_to_keep=shape.kept).logits  # (B, K, V)
    places = shape.loss_places()
    logs = functional.log_softmax(logits[:, :-1][places, places].float(), dim=-1)  # (N, V)
    mine = logs.gather(-1, places[:, None])[:, 0]
    with torch.no_grad():
        (logs.exp() * logs).nansum(-1)
        logs.argmax(-1)
    return -mine.sum()


def _of_tiles(base: PreTrainedModel, shape: BatchShape, *, only_loss: bool) -> Tensor:
    """What TRL's head makes: a GPU projects the N tokens in the loss, any other device all of them."""
    from trl.trainer.utils import _CHUNKED_LOGPROB_CHUNK_SIZE, _ChunkedLogProbFunction

    hidden = base.base_model(**shape.inputs()).last_hidden_state[:, :-1]  # (B, T - 1, H)
    hidden = hidden.reshape(-1, hidden.shape[-1])
    if only_loss:
        hidden = hidden[shape.loss_places()]
    targets = torch.zeros(len(hidden), dtype=torch.long)
    head, outputs = base.get_output_embeddings(), ("log_probs", "entropy", "is_top1")
    log_probs, *_ = _ChunkedLogProbFunction.apply(
        hidden, head.weight, head.bias, targets, 1.0, _CHUNKED_LOGPROB_CHUNK_SIZE, None, 1.0, outputs
    )
    total: Tensor = -log_probs.sum()
    return total
