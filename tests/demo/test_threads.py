"""The demo's threads: one beside other work, all that torch has been given otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from sanetune.demo import threads


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("of_one", "of_two", "expected"), [(0.6, 0.3, 2), (0.6, 1.1, 1)])
def test_the_faster_number_of_threads_is_set(monkeypatch, of_one: float, of_two: float, expected: int):
    torch.set_num_threads(2)
    monkeypatch.setattr(threads, "_seconds", lambda step, number: {1: of_one, 2: of_two}[number])
    assert threads.set_fastest() == torch.get_num_threads() == expected


def test_a_step_is_measured_with_each_number_of_threads():
    torch.set_num_threads(2)
    assert threads.set_fastest() in (1, 2)


def test_threads_that_the_user_has_limited_to_one_stay_one(monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(threads, "_seconds", lambda step, number: pytest.fail("measured"))
    assert threads.set_fastest() == 1
