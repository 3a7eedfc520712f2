"""What the device can do: FLOPs (floating-point operations) of a token, and how many of them it does per second."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedModel

_NVIDIA = "https://www.nvidia.com/en-us/data-center/"


@dataclass(frozen=True, slots=True)
class PublishedFlops:
    """Published TFLOPs (1e12 FLOPs) per second of one device on dense matrices, by format.

    Data sheets give twice as many for sparse matrices, which training does not have. None: the format is not computed
    in hardware.
    """

    bfloat16: float | None
    float16: float | None
    float32: float
    source: str


PEAKS: tuple[tuple[tuple[str, ...], PublishedFlops], ...] = (
    (("b200",), PublishedFlops(2250, 2250, 75, f"{_NVIDIA}hgx (HGX B200: 36e15 sparse on 8)")),
    (("h200", "nvl"), PublishedFlops(835.5, 835.5, 60, f"{_NVIDIA}h200")),
    (("h200",), PublishedFlops(989.5, 989.5, 67, f"{_NVIDIA}h200")),
    (("gh200",), PublishedFlops(989.5, 989.5, 67, f"{_NVIDIA}grace-hopper-superchip")),
    (("h100", "pcie"), PublishedFlops(756.5, 756.5, 51, "NVIDIA H100 Tensor Core GPU datasheet (PCIe)")),
    (("h100", "nvl"), PublishedFlops(835.5, 835.5, 60, f"{_NVIDIA}h100")),
    (("h100",), PublishedFlops(989.5, 989.5, 67, f"{_NVIDIA}h100")),
    (("a100",), PublishedFlops(312, 312, 19.5, f"{_NVIDIA}a100")),
    (("a10g",), PublishedFlops(70, 70, 35, "AWS EC2 G5 with NVIDIA A10G: A10G datasheet")),
    (("a10",), PublishedFlops(125, 125, 31.2, f"{_NVIDIA}products/a10-gpu")),
    (("a30",), PublishedFlops(165, 165, 10.3, f"{_NVIDIA}products/a30-gpu")),
    (("a40",), PublishedFlops(149.7, 149.7, 37.4, f"{_NVIDIA}a40")),
    (("l40s",), PublishedFlops(362, 362, 91.6, f"{_NVIDIA}l40s")),
    (("l40",), PublishedFlops(181, 181, 90.5, f"{_NVIDIA}l40")),
    (("l4",), PublishedFlops(121, 121, 30.3, f"{_NVIDIA}l4")),
    (("v100", "pcie"), PublishedFlops(None, 112, 14, f"{_NVIDIA}v100")),
    (("v100",), PublishedFlops(None, 125, 15.7, f"{_NVIDIA}v100")),
    (("t4",), PublishedFlops(None, 65, 8.1, f"{_NVIDIA}tesla-t4")),
    (("4090",), PublishedFlops(165.2, 165.2, 82.6, "NVIDIA Ada GPU architecture whitepaper, float32 sums")),
    (("3090",), PublishedFlops(71, 71, 35.6, "NVIDIA Ampere GA102 whitepaper, float32 sums")),
)
"""Names (all of the words are in the driver's name) and published speeds; the first that fits holds."""

ROWS = {"cpu": 2048, "cuda": 16384}
"""Most rows of a measured product: beyond these the speed no longer grows."""
SHAPES = 6
"""Kinds of matrices that are measured: those that take most of the work."""
LEAST = {"cpu": 0.05, "cuda": 0.02}
"""Seconds that a product is repeated for."""


def published_flops(name: str, dtype: str) -> tuple[float, str] | None:
    """FLOPs per second of the device with this driver's name in ``dtype``, and the source; None: not in the table."""
    words = name.lower().replace("-", " ").split()
    for parts, peak in PEAKS:
        if all(part in words for part in parts):
            teraflops: float | None = getattr(peak, dtype, None)
            return None if teraflops is None else (teraflops * 1e12, peak.source)
    return None


@dataclass(frozen=True, slots=True)
class Work:
    """What one token costs.

    Attributes:
        frozen: Weights that it is multiplied with and that are not trained.
        trained: Weights that it is multiplied with and that are.
        layers: Layers of attention.
        width: Numbers in a query: heads x size of a head.
    """

    frozen: int
    trained: int
    layers: int = 0
    width: int = 0

    def flops_per_token(self, length: float) -> float:
        """FLOPs of forward and backward for one token of a document with ``length`` tokens.

        2 for each weight going forward (multiply, add), 2 for each going back to the activations, and 2 more for the
        gradient of each that is trained: 6 N for full training, 4 N beside 6 of the adapter's for LoRA (Kaplan et al.
        2020, arXiv:2001.08361, section 2.1; without the last part where weights are frozen). Attention adds 12 x layers
        x width x length (Chowdhery et al. 2022, arXiv:2204.02311, appendix B), of which a token that sees only what is
        before it needs half. Activations that are computed a second time do not count: they are no progress.
        """
        return 4.0 * self.frozen + 6.0 * self.trained + 6.0 * self.layers * self.width * length


def work_of(model: PreTrainedModel) -> Work:
    """The weights of a loaded model that tokens are multiplied with: matrices, without the embeddings that are only
    looked up; of experts as many as a token visits."""
    config = model.config.get_text_config()
    looked_up = _looked_up(model)
    visited = _visited(config)
    sums: Counter[bool] = Counter()
    for name, weight in model.named_parameters():
        if weight.dim() < 2 or id(weight) in looked_up:
            continue
        share = visited if ".experts." in name else 1.0
        sums[bool(weight.requires_grad)] += round(_numbers(weight) * share)
    heads = int(getattr(config, "num_attention_heads", 0) or 0)
    hidden = int(getattr(config, "hidden_size", 0) or 0)
    size = int(getattr(config, "head_dim", 0) or 0) or (hidden // heads if heads else 0)
    return Work(sums[False], sums[True], int(getattr(config, "num_hidden_layers", 0) or 0), heads * size)


def _looked_up(model: PreTrainedModel) -> set[int]:
    """Embeddings that are no head at the same time."""
    import torch

    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    tied = id(head.weight) if head is not None and hasattr(head, "weight") else None
    tables = [one.weight for one in model.modules() if isinstance(one, torch.nn.Embedding)]
    return {id(weight) for weight in tables if id(weight) != tied}


def _visited(config: PretrainedConfig) -> float:
    """The share of the experts that a token goes through."""
    per = next((getattr(config, name, None) for name in ("num_experts_per_tok", "num_experts_per_token")), None)
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    every = next((value for name in names if (value := getattr(config, name, None))), None)
    return per / every if per and every else 1.0


def _numbers(weight: Tensor) -> int:
    """Numbers in a weight; in four bits two are kept in one."""
    shape = getattr(getattr(weight, "quant_state", None), "shape", None)
    if shape is None:
        return int(weight.numel())
    count = 1
    for side in shape:
        count *= int(side)
    return count


def matmul_flops_per_second(model: PreTrainedModel, rows: int, dtype: torch.dtype) -> float | None:
    """FLOPs per second of this device on products with the model's own matrices, in ``dtype``.

    Measured with the shapes that take most of the work, for ``rows`` (tokens of a micro-batch, padding included). None
    where it cannot be measured.
    """
    import torch

    where = next(model.parameters()).device
    kind = where.type if where.type in ROWS else "cpu"
    shapes = Counter((one.in_features, one.out_features) for one in model.modules() if isinstance(one, torch.nn.Linear))
    worth = sorted(shapes, key=lambda shape: -shapes[shape] * shape[0] * shape[1])[:SHAPES]
    rows = max(1, min(rows, ROWS[kind]))
    work = seconds = 0.0
    try:
        for shape in worth:
            work += shapes[shape] * 2.0 * rows * shape[0] * shape[1]
            seconds += shapes[shape] * _product(rows, *shape, dtype, where, LEAST[kind])
    except RuntimeError:  # no memory left, or a format that the device does not compute
        return None
    return work / seconds if seconds else None


def _product(rows: int, inner: int, outer: int, dtype: torch.dtype, where: torch.device, least: float) -> float:
    """Seconds of one product, the fastest of those that fit into ``least`` (three at the least)."""
    import torch

    # Not from the generator that training draws from.
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
    """Wait until the device has done what it was given."""
    import torch

    if where.type == "cuda":
        torch.cuda.synchronize(where)
    elif where.type == "mps":
        torch.mps.synchronize()
