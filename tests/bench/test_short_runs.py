"""The kept short runs: what the checks say about each, and that their logs are made as a trainer makes them."""

from __future__ import annotations

import math
import statistics

import pytest

from bench.curves.short_runs.cases import STRENGTHS, cases
from bench.curves.short_runs.judging import Judged, figures, judged, undecided
from bench.curves.short_runs.table import Row, case_of, curve_of, read


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return read()


@pytest.fixture(scope="module")
def runs(rows: list[Row]) -> list[Judged]:
    return [judged(row) for row in rows if not undecided(row)]


@pytest.fixture(scope="module")
def healthy(runs: list[Judged]) -> list[Judged]:
    return [one for one in runs if not one.fault]


def test_halves_share_neither_model_nor_data() -> None:
    of = {half: {(one.model, one.data) for one in cases() if one.half == half} for half in ("A", "B")}
    for a, b in zip(zip(*of["A"], strict=True), zip(*of["B"], strict=True), strict=True):
        assert not set(a) & set(b)


def test_every_run_is_a_case_and_every_fault_is_in_both_halves(rows: list[Row]) -> None:
    known = {one.name: one for one in cases()}
    assert all(known[case_of(row).name] == case_of(row) for row in rows)
    assert len(rows) >= 200
    there = {(row["half"], row["fault"]) for row in rows}
    assert there == {(half, fault) for half in ("A", "B") for fault in ("", *STRENGTHS)}


def test_a_record_is_the_mean_since_the_one_before(rows: list[Row]) -> None:
    row = next(row for row in rows if row["every"] == 5 and None not in row["losses"])
    curve = curve_of(row)
    assert [point.step for point in curve.points[:2]] == [5, 10]
    assert curve.points[1].loss == pytest.approx(statistics.fmean(row["losses"][5:10]), abs=0.01)


def test_losses_that_are_no_numbers_are_nan_in_the_log(rows: list[Row]) -> None:
    row = next(row for row in rows if row["fault"] == "NaN")
    assert math.isnan(curve_of(row).points[-1].loss)


def test_the_watch_stops_no_healthy_run(healthy: list[Judged]) -> None:
    assert len(healthy) > 35
    assert [(one.case.name, one.stopped) for one in healthy if one.stopped] == []


def test_at_most_one_healthy_run_has_a_live_finding_that_is_not_true(healthy: list[Judged], rows: list[Row]) -> None:
    row_of = {case_of(row).name: row for row in rows}
    true = {"start-high": starts_above_guessing, "staircase": drops_between_epochs}
    untrue = [
        one.case.name
        for one in healthy
        if any(name not in true or not true[name](row_of[one.case.name]) for name in one.live)
    ]
    assert len(untrue) <= 1, untrue


def starts_above_guessing(row: Row) -> bool:
    first = [loss for step, loss in row["evaluated"] if step == 0] or row["losses"][: row["every"]]
    return statistics.fmean(first) > math.log(row["vocabulary"])


def drops_between_epochs(row: Row) -> bool:
    """Whether the mean of the logarithms of losses is lower in the first third of each epoch than in the last third of
    the one before: by more than it falls within them."""
    size, logs = row["rows"] / row["batch"], [math.log(loss) for loss in row["losses"]]
    epochs = [logs[round(i * size) : round((i + 1) * size)] for i in range(math.ceil(len(logs) / size))]
    epochs = [one for one in epochs if 2 * len(one) > size]
    third = round(size / 3)
    starts, ends = ([statistics.fmean(some) for some in part] for part in (
        [one[:third] for one in epochs], [one[-third:] for one in epochs]))  # fmt: skip
    drops = [end - start for end, start in zip(ends, starts[1:], strict=False)]
    falls = [start - end for start, end in zip(starts[1:], ends[1:], strict=True)]
    return len(drops) >= 2 and min(drops) > 0 and sum(drops) > sum(falls)


def test_hardly_a_healthy_run_fails(healthy: list[Judged]) -> None:
    assert sum("fail" in one.whole.values() for one in healthy) <= 0.03 * len(healthy)


@pytest.mark.parametrize("fault", ["NaN", "learning rate zero from some step on", "restarts", "warm-up throughout"])
def test_faults_that_a_log_shows_beyond_doubt_are_named_in_every_run(runs: list[Judged], fault: str) -> None:
    assert [one.case.name for one in runs if one.case.half == "B" and one.fault == fault and not one.named] == []


def test_the_figures_count_every_run_once(rows: list[Row]) -> None:
    rows = rows[::8]
    found = figures(rows)
    faulty = sum(one["runs"] for one in found["halves"].values())
    healthy = sum(one["runs"] for one in found["healthy"].values())
    assert faulty + healthy + found["undecided"] == len(rows)
    assert sum(one[half]["runs"] for one in found["faults"] for half in ("A", "B")) == faulty
