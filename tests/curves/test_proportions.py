"""Intervals and tests of proportions, beside scipy's and beside their definitions."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sanetune.curves.proportions import changed, clopper_pearson, holm, sign_test, wilson

counts = st.integers(1, 60).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(counts)
def test_intervals_are_scipys(case: tuple[int, int]) -> None:
    ones, total = case
    test = stats.binomtest(ones, total)
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        theirs = test.proportion_ci(0.95, method)
        assert ours(ones, total) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(st.integers(1, 25), st.floats(0.02, 0.98))
def test_the_exact_interval_misses_the_truth_in_at_most_a_twentieth_of_all_cases(total: int, truth: float) -> None:
    missed = 0.0
    for ones in range(total + 1):
        low, high = clopper_pearson(ones, total)
        if not low <= truth <= high:
            missed += math.comb(total, ones) * truth**ones * (1 - truth) ** (total - ones)
    assert missed <= 0.05 + 1e-9


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_sign_test_is_scipys(wins: int, losses: int) -> None:
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.sampled_from((0.01, 0.05, 0.2)))
def test_holm_rejects_what_the_closed_test_rejects(ps: list[float], alpha: float) -> None:
    """Holm's is the closed test with Bonferroni: a hypothesis goes when every set with it is rejected."""
    numbers = range(len(ps))
    sets = [some for size in range(1, len(ps) + 1) for some in itertools.combinations(numbers, size)]
    for at, corrected in enumerate(holm(ps)):
        closed = max(min(1.0, len(some) * min(ps[one] for one in some)) for some in sets if at in some)
        assert corrected == pytest.approx(closed)
        assert (corrected < alpha) == (closed < alpha) or corrected == pytest.approx(alpha)


def test_nothing_seen_says_nothing() -> None:
    assert wilson(0, 0) == clopper_pearson(0, 0) == (0.0, 1.0)
    assert changed([]) == (0, 0)
    assert holm([]) == []
