"""Bytes of living tensors, on real tensors and on fake ones."""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sanetune.forecast.allocations import Allocations


def test_the_peak_has_what_was_alive_at_once() -> None:
    with Allocations() as allocations:
        first = torch.zeros(100)
        second = first + 1
        del first
        third = second * 2
    assert allocations.peak == 800 and allocations.now == 800
    del second, third
    assert allocations.now == 0


def test_views_and_changes_in_place_take_nothing() -> None:
    with Allocations() as allocations:
        kept = torch.zeros(10, 10)
        kept.add_(1)
        view = kept[2:].t()
        assert view.shape == (10, 8)
    assert allocations.peak == 400


def test_what_was_there_before_counts_where_it_is_named() -> None:
    before = torch.zeros(50)
    with Allocations([before]) as allocations:
        after = before + 1
    assert allocations.now == before.nbytes + after.nbytes


def test_a_new_peak_begins_at_what_is_alive() -> None:
    with Allocations() as allocations:
        kept = torch.zeros(10)
        torch.zeros(1000)
        allocations.restart()
        more = kept + 1
    assert allocations.peak == kept.nbytes + more.nbytes


def test_fake_tensors_count_as_real_ones_would() -> None:
    def work() -> int:
        with Allocations() as allocations:
            weight = torch.zeros(64, 32, requires_grad=True)
            (torch.zeros(16, 64) @ weight).relu().sum().backward()
        return allocations.peak

    real = work()
    with FakeTensorMode():
        assert work() == real > 64 * 32 * 4
