"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune import units


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (1234, "1,234"),
        (260_032, "260 k"),
        (7.6e9, "7.6 B"),
        (999_600, "1 M"),
        (1.35e8, "135 M"),
        (2e15, "2000 T"),
    ],
)
def test_counts(number, text) -> None:
    assert units.count(number) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (80 * 2**30, "80 GiB")])
def test_bytes_are_binary(number, text) -> None:
    assert units.bytes_(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.25, "250 ms"), (0.9999, "1.0 s"), (8.04, "8.0 s"), (59.7, "1 min"), (125, "2 min 5 s"),
        (7300, "2 h 1 min"), (180_000, "2 d 2 h"), (float("nan"), "unknown"), (-3, "-3.0 s"),
    ],
)  # fmt: skip
def test_seconds(number, text) -> None:
    assert units.seconds(number) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (2e-5, "2e-05"), (3.5e-4, "3.5e-04"), (1, "1e+00")])
def test_learning_rates(number, text) -> None:
    assert units.lr(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 %"), (1, "100 %"), (0.1234, "12.3 %"), (0.0001, "< 0.1 %"), (0.9999, "> 99.9 %")]
)
def test_a_share_is_only_0_or_100_percent_when_it_is(number, text) -> None:
    assert units.share(number) == text


@pytest.mark.parametrize(("number", "text"), [(12.5, "$12.50"), (1234.5, "$1,234"), (-2, "-$2.00")])
def test_dollars(number, text) -> None:
    assert units.usd(number) == text


def test_one_of_something_is_not_many() -> None:
    assert units.many(1, "row") == "1 row"
    assert units.many(0, "row") == "0 rows"
    assert units.many(1200, "batch", "batches") == "1,200 batches"


@given(st.floats(0, 1e18))
def test_no_number_is_longer_than_a_column(number: float) -> None:
    assert len(units.count(number)) <= 10
    assert len(units.bytes_(number)) <= 10
    assert len(units.lr(number)) <= 9
