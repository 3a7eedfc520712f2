"""Compute with a model as if it were stored in fewer bits: weights in blocks, and what is multiplied with them.

A server that multiplies with quantised weights rounds twice: the weights when the file is made, and each layer's inputs
while it computes (ggml's kernels round them to 8 bits in blocks of 32, or of 256 for the K types). Both are needed to
know how far its log-probabilities may move without anything being wrong.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle


@dataclass(frozen=True, slots=True)
class Storage:
    """How a type of weights is stored.

    Attributes:
        bits: Bits of a weight within its block.
        block: Weights that share one scale.
        offset: Whether a block has a smallest value beside its scale.
        inputs: Inputs that share one scale when the layer computes; 0: they are not rounded to 8 bits.
    """

    bits: int
    block: int
    offset: bool
    inputs: int


STORAGES = {
    "Q8_0": Storage(8, 32, False, 32),
    "Q6_K": Storage(6, 16, False, 256),
    "Q5_0": Storage(5, 32, False, 32),
    "Q5_1": Storage(5, 32, True, 32),
    "Q5_K": Storage(5, 32, True, 256),
    "Q4_0": Storage(4, 32, False, 32),
    "Q4_1": Storage(4, 32, True, 32),
    "Q4_K": Storage(4, 32, True, 256),
    "Q3_K": Storage(3, 16, False, 256),
    "Q2_K": Storage(2, 16, True, 256),
    "IQ4_NL": Storage(4, 32, False, 32),
    "IQ4_XS": Storage(4, 32, False, 256),
    "MXFP4": Storage(4, 32, False, 32),
}
"""ggml's types (``ggml-quants.c``: block sizes; ``vec_dot_type`` in ``ggml-cpu.c``: what the inputs become)."""
FLOATS = ("F32", "F16", "BF16")


def known_storage(name: str) -> str:
    """Return the type that a server's or file's word for it means; "" where it is not known.

    >>> known_storage("Q4_K_M"), known_storage("all F32"), known_storage("Q4_1 (guessed)"), known_storage("NF4")
    ('Q4_K', 'F32', 'Q4_1', '')
    """
    words = re.findall(r"[A-Z0-9_]+", name.upper())
    for word in words:
        for candidate in (word, re.sub(r"_(S|M|L|XL)$", "", word)):
            if candidate in STORAGES or candidate in FLOATS:
                return candidate
    return ""


def rounded(weights: Tensor, storage: str) -> Tensor:
    """Return weights (output features, input features) as they come back from ``storage``, in their number format.

    Each block's scale is rounded to 16 bits, as it is stored. ggml's own rounding of the K types searches for better
    scales, so that its error is at most this one's.
    """
    import torch

    if storage in FLOATS:
        dtype = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[storage]
        return weights.to(dtype).to(weights.dtype)
    kind = STORAGES[storage]
    if weights.shape[-1] % kind.block:
        return weights  # stored as it is: ggml cannot cut such a row into blocks
    blocks = weights.float().reshape(*weights.shape[:-1], -1, kind.block)
    low = blocks.amin(-1, keepdim=True) if kind.offset else torch.zeros_like(blocks[..., :1])
    largest = blocks.amax(-1, keepdim=True) - low if kind.offset else blocks.abs().amax(-1, keepdim=True)
    steps = 2**kind.bits - 1 if kind.offset else 2 ** (kind.bits - 1) - 1
    scale = (largest / steps).half().float()
    low = low.half().float()
    numbers = torch.where(scale > 0, (blocks - low) / scale.clamp_min(1e-30), torch.zeros_like(blocks)).round()
    numbers = numbers.clamp(0, steps) if kind.offset else numbers.clamp(-steps - 1, steps)
    found: Tensor = (numbers * scale + low).reshape(weights.shape).to(weights.dtype)
    return found


def inputs_to_8_bits(inputs: Tensor, block: int) -> Tensor:
    """Return a layer's inputs as ggml's kernels see them: 8 bits, with one scale for ``block`` features."""
    import torch

    if inputs.shape[-1] % block:
        block = 32 if inputs.shape[-1] % 32 == 0 else inputs.shape[-1]
    blocks = inputs.float().reshape(*inputs.shape[:-1], -1, block)
    scale = blocks.abs().amax(-1, keepdim=True) / 127
    numbers = torch.where(scale > 0, blocks / scale.clamp_min(1e-30), torch.zeros_like(blocks)).round()
    return (numbers * scale.half().float()).reshape(inputs.shape).to(inputs.dtype)


@contextlib.contextmanager
def served_as(model: nn.Module, storage_of: Callable[[str], str]) -> Iterator[None]:
    """Let ``model`` compute as if its weights were stored in other types; afterwards it is as it was.

    Weights are rounded while their layer computes and put back after it, so that one layer more is in memory.

    Args:
        model: The model.
        storage_of: Gives the type of a layer's weights by the layer's name; "": as it is.
    """
    from torch import nn

    handles = []
    for name, layer in model.named_modules():
        storage = storage_of(name) if isinstance(layer, nn.Linear | nn.Embedding) else ""
        if storage:
            handles += _round_while_computing(layer, storage)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _round_while_computing(layer: nn.Module, storage: str) -> list[RemovableHandle]:
    import torch
    from torch import nn

    kept: list[Tensor] = []

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        assert isinstance(module.weight, torch.Tensor)
        kept.append(module.weight.data)
        module.weight.data = rounded(module.weight.data, storage)
        if isinstance(module, nn.Embedding):
            return inputs
        kind = STORAGES.get(storage)
        if kind is None:
            return (rounded(inputs[0], storage), *inputs[1:])
        return (inputs_to_8_bits(inputs[0], kind.inputs), *inputs[1:])

    def after(module: nn.Module, inputs: object, output: object) -> None:
        module.weight.data = kept.pop()

    return [layer.register_forward_pre_hook(before), layer.register_forward_hook(after, always_call=True)]
