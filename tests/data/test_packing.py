"""Packs hold every example once, never overflow, and are nearly as few as can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.data.packing import best_fit_decreasing


def simple(lengths: list[int], capacity: int) -> list[list[int]]:
    """Best-fit decreasing by trying every pack: slow, and plainly right."""
    packs: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        rooms = [capacity - sum(lengths[other] for other in pack) for pack in packs]
        fitting = [number for number, room in enumerate(rooms) if room >= lengths[index]]
        if fitting:
            packs[min(fitting, key=lambda number: rooms[number])].append(index)
        else:
            packs.append([index])
    return packs


@given(st.lists(st.integers(1, 64), max_size=80), st.integers(64, 200))
def test_is_best_fit_decreasing(lengths: list[int], capacity: int) -> None:
    packs = best_fit_decreasing(lengths, capacity)
    assert sorted(index for pack in packs for index in pack) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in pack) <= capacity for pack in packs)
    expected = simple(lengths, capacity)
    assert sorted(sum(lengths[i] for i in pack) for pack in packs) == sorted(
        sum(lengths[i] for i in pack) for pack in expected
    )


def test_equal_inputs_give_equal_packs() -> None:
    lengths = [(7 * index) % 50 + 1 for index in range(500)]
    assert best_fit_decreasing(lengths, 64) == best_fit_decreasing(list(lengths), 64)


@pytest.mark.parametrize("length", [0, -1, 11])
def test_refuses_lengths_that_cannot_be_packed(length: int) -> None:
    with pytest.raises(ValueError, match="1 to 10"):
        best_fit_decreasing([3, length], 10)
