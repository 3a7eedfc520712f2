"""Bytes that an optimizer keeps, beside those of a real one."""

from __future__ import annotations

import pytest
import torch

from sanetune.forecast.simulated_optimizer import simulated_optimizer


def kept(name: str, *shapes: tuple[int, ...]) -> int:
    weights = [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]
    optimizer = simulated_optimizer(name, weights)
    assert optimizer is not None
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    tensors = [one for state in optimizer.state.values() for one in state.values() if isinstance(one, torch.Tensor)]
    return sum(one.nbytes for one in tensors)


@pytest.mark.parametrize(
    ("name", "each"),
    [
        ("paged_adamw_32bit", 8),
        ("adamw_8bit", 2 * (1 + 4 / 256)),
        ("lion_8bit", 1 + 4 / 256),
        ("lion_32bit", 4),
        ("ademamix_8bit", 3 * (1 + 4 / 256)),
    ],
)
def test_the_optimizers_of_bitsandbytes_keep_so_many_bytes_a_weight(name: str, each: float) -> None:
    assert kept(name, (256, 256)) == 256 * 256 * each


def test_small_weights_keep_32_bits() -> None:
    assert kept("adamw_8bit", (64,)) == 2 * 4 * 64


def test_those_of_torch_are_as_they_are() -> None:
    assert kept("adamw_torch_fused", (64, 64)) == kept("adamw_torch", (64, 64)) == 2 * 4 * 64 * 64 + 4
    assert kept("sgd", (64, 64)) == 0
    assert 0 < kept("adafactor", (64, 64)) < 4 * 64 * 64


def test_what_is_not_known_is_not_guessed() -> None:
    assert simulated_optimizer("galore_adamw", [torch.nn.Parameter(torch.zeros(4))]) is None
