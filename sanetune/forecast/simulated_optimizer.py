"""Optimizers for simulated steps: those of torch as they are, those of bitsandbytes by the bytes that they keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

LEAST_8BIT = 4096
"""Numbers in a weight from which on bitsandbytes keeps its state in 8 bits (``min_8bit_size``)."""
BLOCK = 256
"""Numbers of an 8-bit state that share a scale of four bytes (arXiv:2110.02861; bitsandbytes' block size)."""

STATES: dict[str, tuple[int, bool]] = {
    "adamw_bnb_8bit": (2, True), "adamw_8bit": (2, True), "paged_adamw_8bit": (2, True),
    "paged_adamw_32bit": (2, False),
    "lion_8bit": (1, True), "lion_32bit": (1, False), "paged_lion_8bit": (1, True), "paged_lion_32bit": (1, False),
    "rmsprop_bnb": (1, False), "rmsprop_bnb_8bit": (1, True), "rmsprop_bnb_32bit": (1, False),
    "ademamix": (3, False), "ademamix_8bit": (3, True), "paged_ademamix_32bit": (3, False),
    "paged_ademamix_8bit": (3, True),
}  # fmt: skip
"""Optimizer of bitsandbytes -> numbers that it keeps for each weight, and whether in 8 bits. Paged state counts as on
the device, though it may leave it."""


def simulated_optimizer(name: str, weights: Sequence[Parameter]) -> torch.optim.Optimizer | None:
    """Return what takes the memory of the optimizer ``name`` of transformers; None where that is not known."""
    if name in STATES:
        return _OfBytes(weights, *STATES[name])
    made: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adamw_torch": lambda: torch.optim.AdamW(weights, fused=False, foreach=False),
        "adamw_torch_fused": lambda: torch.optim.AdamW(weights, fused=True),
        "sgd": lambda: torch.optim.SGD(weights),
        "adagrad": lambda: torch.optim.Adagrad(weights),
        "rmsprop": lambda: torch.optim.RMSprop(weights),
        "adafactor": lambda: _adafactor(weights),
    }
    return made[name]() if name in made else None


def _adafactor(weights: Sequence[Parameter]) -> torch.optim.Optimizer:
    from transformers.optimization import Adafactor

    factored: torch.optim.Optimizer = Adafactor(weights, lr=1e-4, relative_step=False, scale_parameter=False)
    return factored


class _OfBytes(torch.optim.Optimizer):
    """Keeps as many bytes for each weight as an optimizer of bitsandbytes, and moves no weight."""

    def __init__(self, weights: Sequence[Parameter], numbers: int, eight_bits: bool) -> None:
        super().__init__(weights, {})
        self._numbers, self._eight_bits = numbers, eight_bits

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Make the state of each weight, the first time."""
        for group in self.param_groups:
            for weight in group["params"]:
                if not self.state[weight]:
                    self.state[weight]["kept"] = self._kept(weight)

    def _kept(self, weight: Tensor) -> Tensor:
        each = 4 * weight.numel()
        if self._eight_bits and weight.numel() >= LEAST_8BIT:
            each = weight.numel() + 4 * math.ceil(weight.numel() / BLOCK)
        return torch.empty(self._numbers * each, dtype=torch.uint8)
