"""Reading rows leaves them as they were: copies are read where reading moves something, and streams are left alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset, IterableDataset

from sanetune.evidence.detached import copied, detached
from sanetune.evidence.registry import MissingError


class Drawn(Dataset):  # type: ignore[type-arg]
    """Rows with a random state of their own."""

    def __init__(self) -> None:
        self.random = random.Random(0)
        self.data = list(range(1_000))
        self.weights = torch.arange(10)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, at: int) -> float:
        return self.data[at] + self.random.random()


class Once(IterableDataset):  # type: ignore[type-arg]
    def __init__(self, rows: Any) -> None:
        self.left = rows

    def __iter__(self) -> Iterator[int]:
        return iter(self.left)


def test_a_random_state_of_the_rows_is_not_moved() -> None:
    rows, same = Drawn(), Drawn()
    other = detached(rows)
    assert [other[at] for at in range(5)] == [same[at] for at in range(5)]
    fresh = Drawn()
    assert [rows[at] for at in range(5)] == [fresh[at] for at in range(5)]


def test_data_is_shared_and_not_copied() -> None:
    rows = Drawn()
    other = detached(rows)
    assert other.data is rows.data and other.weights is rows.weights and other.random is not rows.random


def test_an_iterator_over_a_list_is_read_from_a_copy() -> None:
    rows = Once(iter([1, 2, 3]))
    assert list(detached(rows)) == [1, 2, 3]
    assert list(rows) == [1, 2, 3]


def test_a_generator_is_not_read() -> None:
    rows = Once(number for number in range(3))
    with pytest.raises(MissingError, match="missing in training"):
        detached(rows)
    assert list(rows) == [0, 1, 2]


def test_a_method_is_not_copied_with_all_that_it_belongs_to() -> None:
    rows = Drawn()
    assert copied(rows.__getitem__).__self__ is rows
