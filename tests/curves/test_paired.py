"""Paired differences and their intervals, beside scipy's and beside simulation."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sanetune.curves.documents import DocumentLosses
from sanetune.curves.paired import PairedDifference

tenths = st.integers(-50, 50).map(lambda number: number / 10)
pairs = st.lists(st.tuples(tenths, tenths), min_size=3, max_size=40)


@given(pairs.filter(lambda some: len({round(a - b, 6) for a, b in some}) > 1))
def test_with_rows_of_one_token_it_is_students_paired_test(some: list[tuple[float, float]]) -> None:
    first, second = ([one[side] for one in some] for side in (0, 1))
    found = PairedDifference.of([a - b for a, b in zip(first, second, strict=True)], [1] * len(first))
    assert found is not None
    theirs = stats.ttest_rel(first, second)
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-9)
    for level in (0.8, 0.95):
        interval = theirs.confidence_interval(level)
        assert found.interval(level) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_intervals_of_rows_of_many_lengths_hold_the_truth_as_often_as_they_say() -> None:
    drawn = random.Random(0)
    inside, runs, truth = 0, 800, 0.2
    for _ in range(runs):
        sizes = [drawn.choice((3, 10, 30, 80)) for _ in range(60)]
        differences = [size * (truth + drawn.gauss(0, 0.5) / math.sqrt(size)) for size in sizes]
        found = PairedDifference.of(differences, sizes)
        assert found is not None
        low, high = found.interval()
        inside += low <= truth <= high
    assert 0.92 <= inside / runs <= 0.98


def test_rows_that_all_agree_are_certain() -> None:
    found = PairedDifference(0.5, 0.0, 4)
    assert (found.p, found.interval()) == (0.0, (0.5, 0.5))
    assert PairedDifference(0.0, 0.0, 4).p == 1.0


def losses(digests: str, sums: list[float]) -> DocumentLosses:
    return DocumentLosses(tuple(digests), tuple(sums), (10,) * len(sums))


def test_documents_are_matched_by_their_content_in_whatever_order() -> None:
    one, other = losses("abcc", [10, 20, 30, 40]), losses("ccba", [39, 29, 19, 9])
    found = one.over(other)
    assert found is not None and found.n == 4
    assert found.mean == pytest.approx(0.1)


def test_losses_over_other_documents_are_not_compared() -> None:
    one = losses("abcc", [10, 20, 30, 40])
    assert one.over(losses("abcd", [10, 20, 30, 40])) is None
    assert one.over(losses("abc", [10, 20, 30])) is None
    assert one.only_here(losses("abcd", [10, 20, 30, 40])) == [3]
    assert losses("abcd", [10, 20, 30, 40]).only_here(one) == [3]
