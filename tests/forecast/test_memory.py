"""What each device holds, by how devices share the work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.forecast.memory import NF4, memory_of
from sanetune.forecast.simulated_step import StepBytes

GIB = 2**30
FULL = StepBytes(
    weights=8 * GIB, gradients=8 * GIB, optimizer=16 * GIB, step=40 * GIB, evaluation=26 * GIB, weight_size=4,
    block_matrices=6 * GIB, largest_matrix=GIB // 4, largest_block=GIB, outside_blocks=2 * GIB,
)  # fmt: skip


def config(quantization: str | None = None, **train: Any) -> Any:
    return SimpleNamespace(model=SimpleNamespace(quantization=quantization), train=SimpleNamespace(given=train))


def test_one_device_holds_what_was_simulated() -> None:
    found = memory_of(config(), FULL, device_memory=80 * GIB)
    assert (found.weights, found.gradients, found.optimizer) == (8 * GIB, 8 * GIB, 16 * GIB)
    assert found.activations == 8 * GIB and found.sharding is None
    assert (found.step, found.evaluation, found.peak) == (40 * GIB, 26 * GIB, 40 * GIB)
    assert found.share == 0.5


def test_ddp_holds_everything_and_gradients_twice() -> None:
    alone, shared = memory_of(config(), FULL), memory_of(config(), FULL, devices=4)
    assert shared.step - alone.step == 8 * GIB and shared.weights == alone.weights


def test_fsdp_divides_what_lasts_and_gathers_a_block_and_its_successor() -> None:
    found = memory_of(config(), FULL, devices=8, sharding="fsdp")
    assert (found.weights, found.gradients, found.optimizer) == (1 * GIB, 1 * GIB, 2 * GIB)
    assert found.activations == 8 * GIB + 2 * GIB + 2 * GIB + GIB


def test_zero_2_keeps_the_weights() -> None:
    found = memory_of(config(), FULL, devices=8, sharding="zero2")
    assert (found.weights, found.gradients, found.optimizer) == (8 * GIB, 1 * GIB, 2 * GIB)


@pytest.mark.parametrize(("kind", "each"), [("4bit", NF4), ("8bit", 1.0)])
def test_quantised_matrices_shrink_and_one_is_unpacked(kind: str, each: float) -> None:
    found = memory_of(config(kind), FULL)
    assert found.weights == pytest.approx(2 * GIB + 6 * GIB / 4 * each)
    assert found.activations == 8 * GIB + GIB // 4


def test_without_validation_rows_there_is_no_evaluation() -> None:
    step = StepBytes(GIB, GIB, 2 * GIB, 5 * GIB, 0)
    assert memory_of(config(), step, devices=2, sharding="fsdp").evaluation == 0
