"""FLOPs (floating-point operations) of a token, and FLOPs per second of a device, as measured."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedModel

ROWS = {"cpu": 2048, "cuda": 16384}
"""Rows of a measured product, at most; with more of them the speed does not grow."""
SHAPES = 6
"""Matrix shapes that are measured: those with the most FLOPs."""
LEAST = {"cpu": 0.05, "cuda": 0.02}
"""Seconds for which a product is repeated."""


@dataclass(frozen=True, slots=True)
class Work:
    """The sizes that the FLOPs of one token follow from.

    Attributes:
        frozen: Weights that a token is multiplied with and that are not trained.
        trained: Weights that a token is multiplied with and that are trained.
        layers: Layers of attention.
        width: Numbers in a query: heads x size of a head.
    """

    frozen: int
    trained: int
    layers: int = 0
    width: int = 0

    def flops_per_token(self, length: float) -> float:
        """Return the FLOPs of forward and backward pass for one token of a document with ``length`` tokens.

        2 per weight in the forward pass (multiply, add), 2 per weight for the gradient of the activations, and 2 per
        trained weight for its own gradient: 6 N for full training; for LoRA 4 N, and 6 per weight of the adapter
        (Kaplan et al. 2020, arXiv:2001.08361, section 2.1, without the last part for frozen weights). Attention adds
        12 x layers x width x length (Chowdhery et al. 2022, arXiv:2204.02311, appendix B), half of it where attention
        is causal. Recomputed activations do not count, as usual for model FLOPs.
        """
        return 4.0 * self.frozen + 6.0 * self.trained + 6.0 * self.layers * self.width * length


def work_of(model: PreTrainedModel) -> Work:
    """Return the sizes of a loaded model.

    Embeddings that are not also the output head do not count, since a token selects a row of them without a product.
    Experts count in proportion to those that a token is routed to.
    """
    config = model.config.get_text_config()
    embeddings = _input_embeddings(model)
    visited = _visited(config)
    sums: Counter[bool] = Counter()
    for name, weight in model.named_parameters():
        if weight.dim() < 2 or id(weight) in embeddings:
            continue
        share = visited if ".experts." in name else 1.0
        sums[bool(weight.requires_grad)] += round(_numbers(weight) * share)
    heads = int(getattr(config, "num_attention_heads", 0) or 0)
    hidden = int(getattr(config, "hidden_size", 0) or 0)
    size = int(getattr(config, "head_dim", 0) or 0) or (hidden // heads if heads else 0)
    return Work(sums[False], sums[True], int(getattr(config, "num_hidden_layers", 0) or 0), heads * size)


def _input_embeddings(model: PreTrainedModel) -> set[int]:
    """The ids of embedding weights that are not tied to the output head."""
    import torch

    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    tied = id(head.weight) if head is not None and hasattr(head, "weight") else None
    tables = [one.weight for one in model.modules() if isinstance(one, torch.nn.Embedding)]
    return {id(weight) for weight in tables if id(weight) != tied}


def _visited(config: PretrainedConfig) -> float:
    """The fraction of the experts that a token is routed to; 1 without experts."""
    per = next((getattr(config, name, None) for name in ("num_experts_per_tok", "num_experts_per_token")), None)
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    every = next((value for name in names if (value := getattr(config, name, None))), None)
    return per / every if per and every else 1.0


def _numbers(weight: Tensor) -> int:
    """Numbers in a weight; 4-bit weights pack two of them into one byte."""
    shape = getattr(getattr(weight, "quant_state", None), "shape", None)
    if shape is None:
        return int(weight.numel())
    count = 1
    for side in shape:
        count *= int(side)
    return count


def matmul_flops_per_second(
    model: PreTrainedModel, rows: int, dtype: torch.dtype, where: torch.device | None = None
) -> float | None:
    """Measure the FLOPs per second of the model's device on matrix products of the model's shapes.

    Args:
        model: The model; only the shapes of its matrices are used.
        rows: Rows of the products: tokens of a micro-batch, padding included.
        dtype: The dtype of the products.
        where: The device; None: the model's.

    Returns:
        FLOPs per second over the shapes with the most FLOPs; None where they cannot be measured.
    """
    import torch

    where = where or next(model.parameters()).device
    kind = where.type if where.type in ROWS else "cpu"
    shapes = Counter((one.in_features, one.out_features) for one in model.modules() if isinstance(one, torch.nn.Linear))
    worth = sorted(shapes, key=lambda shape: -shapes[shape] * shape[0] * shape[1])[:SHAPES]
    rows = max(1, min(rows, ROWS[kind]))
    work = seconds = 0.0
    try:
        for shape in worth:
            work += shapes[shape] * 2.0 * rows * shape[0] * shape[1]
            seconds += shapes[shape] * _product(rows, *shape, dtype, where, LEAST[kind])
    except RuntimeError:  # out of memory, or a dtype that the device does not support
        return None
    return work / seconds if seconds else None


def _product(rows: int, inner: int, outer: int, dtype: torch.dtype, where: torch.device, least: float) -> float:
    """Seconds of the fastest of several products, repeated for ``least`` seconds and at least three times."""
    import torch

    # Constants, so that the random state of training is not used.
    left = torch.full((rows, inner), 0.5, dtype=dtype, device=where)
    right = torch.full((outer, inner), 0.5, dtype=dtype, device=where)
    best, spent, done = float("inf"), 0.0, 0
    with torch.no_grad():
        torch.nn.functional.linear(left, right)
        while done < 3 or (spent < least and done < 50):
            synchronize(where)
            began = time.perf_counter()
            torch.nn.functional.linear(left, right)
            synchronize(where)
            took = time.perf_counter() - began
            best, spent, done = min(best, took), spent + took, done + 1
    return best


def synchronize(where: torch.device) -> None:
    """Wait until the device has finished all its queued work."""
    import torch

    if where.type == "cuda":
        torch.cuda.synchronize(where)
    elif where.type == "mps":
        torch.mps.synchronize()
