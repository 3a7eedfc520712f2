"""The output head on a CPU: logits of the tokens in the loss, kept from the forward pass to the backward pass.

TRL's fused head never holds the logits: it projects tile by tile, once forward and again backward. On a GPU that saves
memory; without one it also projects every masked and padded token, and a step takes two to three times as long.

Shapes: B rows of a batch, T tokens of its longest row, N tokens in the loss, V vocabulary.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.adapters import rows_of
from sanetune.engine.batches import Batch
from sanetune.engine.loss import kept_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.utils import ModelOutput
    from trl.trainer.utils import FusedCausalLMOutput

MOST = 2**26
"""Logits of a batch from which on TRL's tiles are used after all: four tensors of so many numbers are a GiB."""


def keep_logits(model: PreTrainedModel) -> None:
    """Let ``model(**batch, fused_lm_head=True)`` compute what TRL's head computes, from logits that are kept.

    Batches too large for that, and what needs more than logits, go to TRL's head. ``model`` is a base model that
    SFTTrainer has prepared.
    """
    tiled = model.forward
    vocabulary = rows_of(model.get_output_embeddings().weight)

    @functools.wraps(type(model).forward)
    def forward(self: PreTrainedModel, *args: object, fused_lm_head: bool = False, **inputs: Any) -> ModelOutput:
        if not fused_lm_head:
            return tiled(*args, **inputs)
        others = args or inputs.get("shift_labels") is not None or inputs.get("output_router_logits")
        if others or inputs["labels"].numel() * vocabulary > MOST:
            return tiled(*args, fused_lm_head=True, **inputs)
        items = inputs.pop("num_items_in_batch", None)
        inputs.pop("use_cache", None)
        return judged(self, tiled, inputs, items)

    model.forward = types.MethodType(forward, model)


def judged(
    model: PreTrainedModel, forward: Callable[..., Any], batch: Batch, items: Tensor | int | None = None
) -> FusedCausalLMOutput:
    """Return TRL's output for a batch (B, T): log probabilities of the labels (B, T - 1), their entropy (without
    gradient) and whether the label is the likeliest token; 0 where the label is masked.

    Args:
        model: The base model.
        forward: Its forward below what the trainer wraps around it: its autocast, entered twice, would stay on.
        batch: Inputs and labels.
        items: What the loss is divided by; None: the tokens in the loss of this batch.
    """
    from trl.trainer.utils import FusedCausalLMOutput

    mask = batch["labels"][:, 1:] != IGNORE_INDEX
    logits, labels, _ = kept_logits(model, batch, forward)
    counted = labels[:, 1:] != IGNORE_INDEX
    targets = labels[:, 1:][counted]
    logs = functional.log_softmax(logits[:, :-1][counted].float(), dim=-1)  # (N, V)
    mine = logs.gather(-1, targets[:, None])[:, 0]
    with torch.no_grad():
        entropy = -(logs.exp() * logs).nansum(-1)  # a token that can never come adds nothing
        first = logs.argmax(-1) == targets
    # Scattered, not indexed: a batch whose labels are all masked stays connected to the model, with gradients of zero.
    log_probs = mine.new_zeros(mask.shape).masked_scatter(mask, mine)
    count = mask.sum().clamp(min=1) if items is None else items
    return FusedCausalLMOutput(
        loss=-log_probs.sum() / count,
        log_probs=log_probs,
        entropy=entropy.new_zeros(mask.shape).masked_scatter(mask, entropy),
        is_top1=first.new_zeros(mask.shape).masked_scatter(mask, first),
        label_mask=mask,
    )
