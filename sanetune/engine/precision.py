"""The number formats of a run: what its weights are stored in, and what its matrix products are computed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import nn

MixedPrecision = Literal["bf16", "fp16"]


@dataclass(frozen=True, slots=True)
class Precision:
    """The number formats of a run.

    Attributes:
        weights: Format of the model's first weight, which stands for all of them.
        compute: Format of matrix products: that of mixed precision, else of the model's matrices.
        sixteen_bits: Whether weights or products have 16 bits, so that sums in another order differ by about 1e-2.
    """

    weights: torch.dtype
    compute: torch.dtype
    sixteen_bits: bool

    @classmethod
    def of(cls, model: nn.Module, mixed: MixedPrecision | None) -> Precision:
        """Return the formats of ``model``, trained with ``mixed`` precision (None: with none)."""
        import torch

        floating = [weight for weight in model.parameters() if weight.is_floating_point()]
        weights = floating[0].dtype if floating else torch.float32
        if mixed is not None:
            compute = torch.bfloat16 if mixed == "bf16" else torch.float16
        else:
            compute = next((weight.dtype for weight in floating if weight.dim() >= 2), torch.float32)
        return cls(weights, compute, mixed is not None or weights != torch.float32)
