"""Attention over a tree of documents on a processor, without a mask and without padding.

The tokens of a node attend to those before them in the node, and to all tokens of its ancestors. Since a node's
descendants stand right behind it, each ancestor is one matrix product of its keys with the queries of all that descends
from it, however many documents that are. The parts of a query's softmax are joined by their log-sum-exp, and the
backward pass of each part gets the joined one (as ring attention does, Liu et al. 2023, arXiv 2310.01889).

Shapes: H heads of the queries (keys and values may have fewer), T tokens, L numbers per head.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import torch
from torch import Tensor

from sanetune.engine.documents import last_layer
from sanetune.engine.documents.last_layer import KeptTokens, Part, parts_of

if TYPE_CHECKING:
    from sanetune.engine.documents.tree import Node

Result = TypeVar("Result")

NAME = "sanetune_documents"
"""What transformers knows this attention as."""
ARGUMENT = "document_nodes"
"""The keyword that brings the nodes from the model's call to each layer."""
SHORT = 400
"""Tokens of a node below which 32 bits are faster than 16: of 57 tokens, torch's backward pass in bfloat16 takes four
times as long; of 1,000, two thirds."""
_IN_THE_WAY = ("softcap", "s_aux", "position_bias", "head_mask")
"""What some models' attention does besides a softmax of scaled products."""


class _Context(Protocol):
    """What the forward pass keeps for the backward pass."""

    parts: Sequence[Part]
    scale: float | None
    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor) -> None: ...


class UnsupportedAttentionError(Exception):
    """A layer's attention does what this one does not."""


class _Attention(torch.autograd.Function):
    """Outputs (1, H, T, L) of queries (1, H, T, L), keys and values; ``parts`` say which attend to which.

    Each query is in one causal part, and those come first.
    """

    @staticmethod
    def forward(
        ctx: _Context, query: Tensor, key: Tensor, value: Tensor, parts: Sequence[Part], scale: float | None
    ) -> Tensor:
        _, heads, tokens, size = query.shape
        joins = not all(causal for _, _, causal in parts)
        joined = torch.float32 if joins else query.dtype  # 16 bits would be rounded once for each ancestor
        out = query.new_empty((1, tokens, heads, size), dtype=joined).transpose(1, 2)
        total = query.new_empty((1, tokens, heads), dtype=torch.float32).transpose(1, 2)
        for own, keys, causal in parts:
            some, sums = _forward(query[:, :, own], key[:, :, keys], value[:, :, keys], causal, scale)
            if causal:
                out[:, :, own], total[:, :, own] = some, sums
            else:
                _join(out[:, :, own], total[:, :, own], some, sums)
        out = out.to(query.dtype)
        ctx.save_for_backward(query, key, value, out, total)
        ctx.parts, ctx.scale = parts, scale
        return out

    @staticmethod
    def backward(ctx: _Context, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, total = ctx.saved_tensors
        gradients = tuple(torch.zeros_like(some) for some in (query, key, value))
        for own, keys, causal in ctx.parts:
            some = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                grad[:, :, own],
                query[:, :, own],
                key[:, :, keys],
                value[:, :, keys],
                out[:, :, own],
                total[:, :, own],
                0.0,
                causal,
                scale=ctx.scale,
            )
            for whole, where, part in zip(gradients, (own, keys, keys), some, strict=True):
                whole[:, :, where] += part
        return (*gradients, None, None)


def _forward(query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float | None) -> tuple[Tensor, Tensor]:
    """Return outputs and the log-sum-exp of each query, heads first."""
    found: tuple[Tensor, Tensor] = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, scale=scale
    )
    return found


def _join(out: Tensor, total: Tensor, more: Tensor, sums: Tensor) -> None:
    """Join ``more``, attention to other keys, to ``out`` in place."""
    both = torch.logaddexp(total, sums)
    out.mul_((total - both).exp_()[..., None]).add_(more * (sums - both).exp_()[..., None])
    total.copy_(both)


def document_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: object,
) -> tuple[Tensor, None]:
    """Attend within documents, as an attention function of transformers.

    Without nodes (generation, evaluation, another caller) it is transformers' own on torch's kernels.

    Args:
        module: The layer's attention.
        query: (1, H, T, L).
        key: (1, H, T, L), possibly with fewer heads.
        value: As the keys.
        attention_mask: None.
        dropout: Probability of dropping a weight; 0.
        scaling: Factor of the products; None: 1 / sqrt(L).
        others: What else the layer passes on; the nodes among it.

    Returns:
        Outputs (1, T, H, L), in the last layer zeros for tokens that are not kept, and None for the weights.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    nodes = cast("Sequence[Node] | None", others.pop(ARGUMENT, None))
    kept = cast("KeptTokens | None", others.pop(last_layer.ARGUMENT, None))
    if nodes is None:
        plain: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
        return plain
    if reason := _obstacle(module, query, value, attention_mask, dropout, others):
        raise UnsupportedAttentionError(reason)
    window = others.get("sliding_window")
    if isinstance(window, int) and max(node.depth + node.end - node.start for node in nodes) > window:
        raise UnsupportedAttentionError(f"attends to the last {window} tokens only")
    kind = query.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else value.dtype
    longest = max(node.end - node.start for node in nodes)
    inside = torch.float32 if longest < SHORT else dtype
    some = kept if kept is not None and module in kept.layer else None
    parts = parts_of(nodes) if some is None else some.parts
    tokens = query.shape[2]
    if some is not None:
        query = query.index_select(2, some.places)
    with torch.autocast(kind, enabled=False):
        out: Tensor = _Attention.apply(query.to(inside), key.to(inside), value.to(inside), parts, scaling)
    out = out.transpose(1, 2).to(dtype)
    return out if some is None else last_layer.spread(out, some.places, tokens), None


def _obstacle(
    module: torch.nn.Module,
    query: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float,
    others: dict[str, object],
) -> str:
    """Return what a layer's attention does that this one does not; "" if nothing."""
    if found := [name for name in _IN_THE_WAY if others.get(name) is not None]:
        return f"uses {found[0]}"
    causal = others.get("is_causal")
    if not (getattr(module, "is_causal", True) if causal is None else causal):
        return "is not causal"
    if attention_mask is not None:
        return "has a mask of its own"
    if dropout:
        return f"has dropout of {dropout}"
    if query.shape[-1] != value.shape[-1]:
        return "has values of another size than its keys"
    if query.shape[0] != 1:
        return "has another shape of batch"
    return ""


@functools.cache
def register() -> None:
    """Make the attention known to transformers, once per process."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    def mask(*args: object, **others: object) -> Tensor | None:
        return None if _Active.forwards else sdpa_mask(*args, **others)

    AttentionInterface.register(NAME, document_attention)
    AttentionMaskInterface.register(NAME, mask)


class _Active:
    """Whether a forward pass over nodes runs: it needs no mask."""

    forwards = 0


def without_masks(call: Callable[[], Result]) -> Result:
    """Return ``call()``, for whose passes through models of this attention no masks are made."""
    _Active.forwards += 1
    try:
        return call()
    finally:
        _Active.forwards -= 1
