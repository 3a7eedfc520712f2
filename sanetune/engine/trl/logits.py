"""The last layer on a processor: logits of learnt tokens, kept from the forward pass to the backward one.

TRL's fused head never holds the logits: it projects tile by tile, once forward and again backward. On a GPU that saves
memory; without one it also projects every masked and padded token, and a step takes two to three times as long.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sanetune.engine.loss import MASKED, kept_logits

MOST = 2**26
"""Logits of a batch from which on TRL's tiles are used after all: four tensors of so many numbers are a GiB."""


def keep_logits(model: Any) -> None:
    """``model(**batch, fused_lm_head=True)`` (a base model that SFTTrainer has prepared) gives what TRL's head gives,
    from logits that are kept; batches too large for that, and what needs more than logits, go to TRL's."""
    tiled = model.forward
    vocabulary = model.get_output_embeddings().weight.shape[0]

    @functools.wraps(type(model).forward)
    def forward(self: Any, *args: Any, fused_lm_head: bool = False, **inputs: Any) -> Any:
        if not fused_lm_head:
            return tiled(*args, **inputs)
        others = args or inputs.get("shift_labels") is not None or inputs.get("output_router_logits")
        if others or inputs["labels"].numel() * vocabulary > MOST:
            return tiled(*args, fused_lm_head=True, **inputs)
        items = inputs.pop("num_items_in_batch", None)
        inputs.pop("use_cache", None)
        return judged(self, tiled, inputs, items)

    model.forward = types.MethodType(forward, model)


def judged(model: Any, forward: Callable[..., Any], batch: dict[str, Any], items: Tensor | int | None = None) -> Any:
    """TRL's ``FusedCausalLMOutput`` for a batch: (B, T - 1) log probabilities of the labels, entropy (no gradient) and
    whether the label is the likeliest token; 0 where there is nothing to learn.

    ``forward`` is the model's below what the trainer wraps around it: its autocast, entered twice, would stay on.
    """
    from trl.trainer.utils import FusedCausalLMOutput

    mask = batch["labels"][:, 1:] != MASKED
    logits, labels, _ = kept_logits(model, batch, forward)
    learnt = labels[:, 1:] != MASKED
    targets = labels[:, 1:][learnt]
    logs = functional.log_softmax(logits[:, :-1][learnt].float(), dim=-1)  # (learnt tokens, vocabulary)
    mine = logs.gather(-1, targets[:, None])[:, 0]
    with torch.no_grad():
        entropy = -(logs.exp() * logs).nansum(-1)  # a token that can never come adds nothing
        first = logs.argmax(-1) == targets
    # Scattered, not indexed: a batch with nothing to learn stays connected to the model, with gradients of zero.
    log_probs = mine.new_zeros(mask.shape).masked_scatter(mask, mine)
    count = mask.sum().clamp(min=1) if items is None else items
    return FusedCausalLMOutput(
        loss=-log_probs.sum() / count,
        log_probs=log_probs,
        entropy=entropy.new_zeros(mask.shape).masked_scatter(mask, entropy),
        is_top1=first.new_zeros(mask.shape).masked_scatter(mask, first),
        label_mask=mask,
    )
