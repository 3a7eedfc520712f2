"""The kept short runs: what the checks say about each, and that their logs are made as a trainer makes them."""

from __future__ import annotations

import math
import statistics

import pytest

from bench.curves.short_runs import knowable, oracle, truth
from bench.curves.short_runs.cases import PARTS, STRENGTHS, cases
from bench.curves.short_runs.judging import UNDECIDED, Judged, figures, judged
from bench.curves.short_runs.table import Row, case_of, curve_of, read
from sanetune.curves.digits import digits_of


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return read()


@pytest.fixture(scope="module")
def runs(rows: list[Row]) -> list[Judged]:
    """A third of them: judging all of them as they grow takes minutes, and is for the bench."""
    truths = truth.read()
    return [judged(row, truths.get(case_of(row).name)) for row in rows[::3]]


@pytest.fixture(scope="module")
def healthy(runs: list[Judged]) -> list[Judged]:
    return [one for one in runs if not one.fault]


def test_no_two_parts_have_a_model_on_the_same_data() -> None:
    of = {part: {(one.model, one.data) for one in cases() if one.part == part} for part in PARTS}
    assert sum(len(pairs) for pairs in of.values()) == len(set().union(*of.values()))
    for a, b in zip(zip(*of["A"], strict=True), zip(*of["B"], strict=True), strict=True):
        assert not set(a) & set(b), "limits are set on one of them"


def test_every_run_is_a_case_and_every_fault_is_in_every_part(rows: list[Row]) -> None:
    known = {one.name: one for one in cases()}
    assert all(known[case_of(row).name] == case_of(row) for row in rows)
    assert len(rows) >= 200
    there = {(row["part"], row["fault"]) for row in rows}
    assert there == {(part, fault) for part in PARTS for fault in ("", *STRENGTHS)}


def test_the_projects_own_runs_log_the_losses_of_single_rows(rows: list[Row]) -> None:
    own = [row for row in rows if case_of(row).is_own and row["evaluated"]]
    assert len(own) > 200 and all(("sums" in row) == case_of(row).is_own for row in rows)
    for row in own[::20]:
        for evaluation, (step, loss) in zip(curve_of(row).validation, row["evaluated"], strict=True):
            assert evaluation.step == step and evaluation.tokens == tuple(row["tokens"])
            if loss is not None and math.isfinite(loss):
                assert evaluation.loss == pytest.approx(loss, rel=2e-3)
                assert evaluation.loss == pytest.approx(sum(evaluation.sums) / sum(evaluation.tokens))
        finite = [one.loss for one in curve_of(row).validation if math.isfinite(one.loss)]
        assert (digits_of(finite) >= 7 or not finite) and len(row["tokens"]) >= 25


def test_a_record_is_the_mean_since_the_one_before(rows: list[Row]) -> None:
    row = next(row for row in rows if row["every"] == 5 and None not in row["losses"])
    curve = curve_of(row)
    assert [point.step for point in curve.points[:2]] == [5, 10]
    assert curve.points[1].loss == pytest.approx(statistics.fmean(row["losses"][5:10]), abs=0.01)


def test_losses_that_are_no_numbers_are_nan_in_the_log(rows: list[Row]) -> None:
    row = next(row for row in rows if row["fault"] == "NaN")
    assert math.isnan(curve_of(row).points[-1].loss)


def test_the_watch_stops_hardly_a_healthy_run(healthy: list[Judged]) -> None:
    assert len(healthy) > 30
    stopped = [(one.case.name, one.stopped) for one in healthy if one.stopped]
    assert len(stopped) <= 1, stopped


def test_hardly_a_healthy_run_has_a_finding_that_is_not_true_of_it(healthy: list[Judged]) -> None:
    untrue = [(one.case.name, one.false) for one in healthy if one.false]
    assert len(untrue) <= 0.05 * len(healthy), untrue


def test_the_truth_of_every_run_that_was_to_be_healthy_is_known(rows: list[Row]) -> None:
    asked = {case_of(row).name for row in rows if case_of(row).fault in truth.FAULTS}
    assert asked == set(truth.read())


def test_the_bounds_of_the_best_test_are_of_runs_that_only_training_losses_show(rows: list[Row]) -> None:
    known = {one.name: one for one in cases()}
    found = oracle.read()
    assert set(found) == {one.name for one in known.values() if oracle.is_asked(one)} & {
        case_of(row).name for row in rows
    }
    assert all(0 <= one["d"] < 1e3 for one in found.values())


def test_a_shift_of_every_record_is_as_far_as_its_squares_add_up_to() -> None:
    plain = {"onset": 0, "every": 1, "scatter": 0.5, "shifts": [[0.1] * 100, [0.1] * 100]}
    far = oracle.distances(plain, 10)
    assert far["d"] == pytest.approx(0.1 / 0.5 * 10) and far["d_soon"] == pytest.approx(0.2 * 20**0.5, rel=1e-3)


def test_the_noise_of_two_shifts_adds_nothing_to_their_distance() -> None:
    ups, downs = [0.3, -0.3] * 50, [0.3, 0.3, -0.3, -0.3] * 25
    assert oracle.distances({"onset": 0, "every": 1, "scatter": 0.1, "shifts": [ups, downs]}, 1)["d"] == 0.0


def test_what_a_record_shows_is_knowable_with_it(rows: list[Row]) -> None:
    of = {one.fault: (one, row) for row in rows for one in (case_of(row),)}
    for fault in knowable.AT_ONSET:
        case, row = of[fault]
        step = knowable.by_record(case, row)
        assert step is not None and 0 <= step - case.onset < case.every and step % case.every == 0
    case, row = of["warm-up throughout"]
    assert knowable.by_record(case, row) == math.ceil(case.steps / 4)


def test_a_course_is_known_once_its_squared_shifts_add_up() -> None:
    sound = [0.1 * (-1) ** i for i in range(60)]
    shift = 0.6 * 0.4 / math.sqrt(6)
    faulty = [one + (shift if i >= 10 else 0.0) for i, one in enumerate(sound)]
    # 2.326 and 1.282 standard deviations: one false alarm in a hundred, nine of ten found.
    assert knowable._first_known(faulty, sound, range(1, 61)) == 10 + math.ceil((3.608 / 0.6) ** 2)
    assert knowable._first_known(sound, sound, range(1, 61)) is None
    assert knowable._first_known([math.inf, *sound], [0.0, *sound], range(1, 62)) == 1


def test_nine_of_ten_faults_are_caught_in_parts_that_limits_were_not_set_on(runs: list[Judged]) -> None:
    faulty = [one for one in runs if one.case.part != "A" and one.fault not in ("", UNDECIDED, "restarts")]
    assert sum(bool(one.found) for one in faulty) >= 0.93 * len(faulty) > 60


def test_hardly_a_healthy_run_fails(healthy: list[Judged]) -> None:
    assert sum("fail" in one.whole.values() for one in healthy) <= 0.04 * len(healthy)


@pytest.mark.parametrize("fault", ["NaN", "learning rate zero from some step on", "warm-up throughout"])
def test_faults_that_a_log_shows_beyond_doubt_are_named_in_every_run(runs: list[Judged], fault: str) -> None:
    assert [one.case.name for one in runs if one.case.part != "A" and one.fault == fault and not one.named] == []


def test_the_figures_count_every_run_once(rows: list[Row]) -> None:
    rows = rows[::24]
    found = figures(rows)
    faulty, healthy = (sum(found[kind][part]["runs"] for part in PARTS) for kind in ("parts", "healthy"))
    assert faulty + healthy + found["undecided"] + found["designed"]["runs"] == len(rows)
    assert sum(one[part]["runs"] for one in found["faults"] for part in PARTS) == faulty
