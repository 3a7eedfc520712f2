"""What the newest logs of other repositories taught: each with the nearest thing that is not the fault."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sanetune.curves.series import Curve, Evaluation
from tests.checks.curve.test_unseen import FALLING, by_epochs, evaluated
from tests.checks.curve_material import bad, points


def test_a_mean_above_both_beside_it_with_its_gradients_is_a_spike_in_a_steep_fall_too() -> None:
    falls = [6.1, 3.2, 2.2, 1.86, 1.7, 3.04, 1.65, *(1.6 - 0.005 * i for i in range(30))]
    norms = [7.8, 2.3, 1.4, 1.2, 1.3, 20.0, 1.4, *[0.9] * 30]
    assert bad(Curve(points(falls, every=10, grad_norm=norms), source="log"))["spike"] == "warn"
    calm = points(falls, every=10, grad_norm=[min(one, 5.0) for one in norms])
    for others in (calm, points(falls, grad_norm=norms)):  # the gradient does not jump; one batch may be hard
        assert "spike" not in bad(Curve(others, source="log"))


def test_five_evaluations_above_the_lowest_say_that_it_is_over_however_late_it_was() -> None:
    def named(late: list[float]) -> bool:
        before = [1.9, 1.52, 1.5, 1.49, 1.48, 1.477, 1.48, 1.477, 1.476, 1.472, 1.4706]
        training = points(FALLING[: 11 + len(late)], every=10)
        return "best-earlier" in bad(Curve(training, evaluated([*before, *late]), source="log"))

    assert named([1.501, 1.5036, 1.5031, 1.503, 1.5031])
    assert not named([1.501, 1.5036, 1.5031, 1.503])
    assert not named([1.501, 1.48, 1.5031, 1.503, 1.5031])


@pytest.mark.parametrize(("fall", "up", "flat"), [(0.017, 0.03, True), (0.03, 0.03, False), (0.017, -0.03, False)])
def test_held_out_rows_that_hardly_fall_are_flat_where_training_rises(fall: float, up: float, flat: bool) -> None:
    rng = np.random.default_rng(5)
    training = [0.57 * (1 + up * (i > 9) + 0.02 * rng.standard_normal()) for i in range(100)]
    held_out = evaluated([1.35 * (1 - fall * i / 4) for i in (0, 2, 1, 3, 4)], every=200)
    curve = Curve(points(training, every=10), held_out, source="log", total_steps=2000)
    assert ("plateau" in bad(curve)) is flat


def test_means_of_batches_that_scatter_far_are_no_spikes_though_their_gradients_scatter_too() -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        each = np.exp(0.6 * rng.standard_normal((300, 5)))
        means, norms = each.mean(axis=1).tolist(), (each[:, -1] ** 1.2).tolist()
        assert "spike" not in bad(Curve(points(means, every=5, grad_norm=norms), source="log"))


def test_rows_that_get_harder_are_no_plateau_where_evaluations_fall_steadily() -> None:
    rng = np.random.default_rng(8)
    training = [0.57 * (1 + 0.04 * min(1, i / 15)) * (1 + 0.02 * rng.standard_normal()) for i in range(150)]
    held_out = evaluated([1.35 * (1 - 0.015 * i / 9) for i in range(10)], every=150)
    assert "plateau" not in bad(Curve(points(training, every=10), held_out, source="log", total_steps=1500))


@pytest.mark.parametrize(("steps", "named"), [(10, True), (8, False)])
def test_a_warm_up_of_half_of_ten_steps_is_long_and_in_fewer_a_test(steps: int, named: bool) -> None:
    lrs = [min(i / 6, (steps - i + 1) / (steps - 5)) * 1e-3 for i in range(1, steps + 1)]
    curve = Curve(points([2.8 - 0.06 * i for i in range(steps)], lr=lrs), source="log", total_steps=steps)
    assert ("warmup-long" in bad(curve)) is named


@pytest.mark.parametrize(
    ("held_out", "falls", "named"),
    [
        ([1.5, 1.3, 1.2, 1.15, 1.14, 1.145, 1.15, 1.155, 1.16, 1.164, 1.166, 1.168, 1.17, 1.17], True, True),
        ([1.5, 1.3, 1.2, 1.15, 1.14, 1.145, 1.15, 1.155, 1.16, 1.164, 1.166, 1.168, 1.17, 1.17], False, False),
        ([1.5, 1.3, 1.2, 1.17, 1.14, 1.17, 1.17, 1.17, 1.17, 1.17, 1.17, 1.17, 1.17, 1.17], True, False),  # one is low
        ([1.5, 1.3, 1.14, 1.15, 1.16, 1.165, 1.17, 1.17], True, False),  # too few to know their scatter
        (
            [1.5, 1.3, 1.2, 1.15, 1.14, 1.16, 1.12, 1.17, 1.14, 1.18, 1.13, 1.17, 1.14, 1.16],
            True,
            False,
        ),  # it is scatter
    ],
)
def test_many_evaluations_a_little_above_the_lowest_are_overfit_where_training_falls_far(
    held_out: list[float], falls: bool, named: bool
) -> None:
    training = [2.0 * math.exp(-i / 60) if falls else 1.0 for i in range(140)]
    found = bad(Curve(points(training), evaluated(held_out, every=10), source="log"))
    assert found.get("overfit") == ("warn" if named else None)


def test_three_records_that_fall_say_that_training_falls_far() -> None:
    held_out = [2.7, 2.4, 2.2, 2.1, *(2.05 + 0.003 * i for i in range(15))]
    curve = Curve(points([2.2, 1.2, 0.8], every=60), evaluated(held_out, every=10), source="log")
    assert bad(curve)["overfit"] == "warn"
    flat = replace(curve, points=points([1.22, 1.2, 1.19], every=60))
    assert "overfit" not in bad(flat)


def test_small_stairs_of_many_epochs_are_named_where_they_are_clear() -> None:
    def course(drop: float, records: int) -> Curve:
        rng = np.random.default_rng(3)
        levels = [0.25 * (1 - drop) ** (i // records) * (1 + 0.003 * rng.standard_normal()) for i in range(9 * records)]
        return by_epochs(levels, records)

    assert bad(course(0.035, 8))["staircase"] == "warn"
    assert "staircase" not in bad(course(0.035, 3))
    assert "staircase" not in bad(course(0.015, 8))


def test_a_second_epoch_that_has_just_begun_can_show_a_drop() -> None:
    rng = np.random.default_rng(4)
    first = [(0.75 + 0.6 * math.exp(-i / 12)) * (1 + 0.02 * rng.standard_normal()) for i in range(55)]
    assert bad(by_epochs([*first, *([0.66] * 6)], 55))["staircase"] == "warn"
    assert "staircase" not in bad(by_epochs([*first, *([0.66] * 5)], 55))
    assert "staircase" not in bad(by_epochs([*first, *([0.73] * 6)], 55))


def test_a_held_out_loss_that_was_thrown_up_before_does_not_hide_that_it_stays_above_its_lowest() -> None:
    stairs = [0.35 if i < 90 else 0.25 if i < 180 else 0.14 for i in range(270)]
    shape = by_epochs(stairs, 90)
    thrown = [0.36, 0.32, 0.41, 0.33, 0.325, 0.32, 0.30, 0.295, 0.286]
    for late, named in (([0.30, 0.303, 0.305, 0.303, 0.303], True), ([0.285, 0.284, 0.283, 0.282, 0.281], False)):
        curve = replace(shape, validation=evaluated([*thrown, *late], every=19))
        assert ("staircase" in bad(curve)) is named


def test_an_evaluation_behind_the_first_record_says_nothing_against_it() -> None:
    losses = [12.75, 4.1, *(1.0 + 0.6 * math.exp(-i / 3) for i in range(20))]
    later = [Evaluation(848, 1.09), Evaluation(1696, 1.02), Evaluation(2544, 0.98)]
    assert bad(Curve(points(losses, every=100), later, source="log"))["start-high"] == "warn"
    before = [Evaluation(0, 1.8), *later]  # one batch of hard rows
    assert "start-high" not in bad(Curve(points(losses, every=100), before, source="log"))


def test_rows_in_pairs_need_two_standard_errors_where_training_falls_far() -> None:
    def curve(falls: bool, worse: float) -> Curve:
        rng = np.random.default_rng(7)
        hard, moves = rng.uniform(10, 40, 40), 5.0 * rng.standard_normal((7, 40))
        levels = zip((0.75, 0.15, 0.03, 0.0, worse, worse, worse), moves, strict=True)
        rows = [hard + 20 * level + move - move.mean() for level, move in levels]
        held_out = [Evaluation.of(16 * i, [float(row) for row in one], [20] * 40) for i, one in enumerate(rows)]
        return Curve(points([2 * math.exp(-i / 40) if falls else 1.0 for i in range(100)]), held_out, source="log")

    assert bad(curve(True, 0.11))["overfit"] == "warn"
    assert "overfit" not in bad(curve(False, 0.11))
    assert "overfit" not in bad(curve(True, 0.08))


def test_smooth_falls_over_epochs_are_seldom_stairs() -> None:
    """Three epochs of 16 to 20 records that scatter by 5 %: a fast first epoch looks like a step."""
    rng, named = np.random.default_rng(1), 0
    for _ in range(100):
        each = int(rng.integers(16, 21))
        done = np.arange(1, 3 * each + 1) / (3 * each)
        losses = 0.6 + 1.4 * (1 + done * rng.uniform(5, 40)) ** -rng.uniform(0.3, 1.0)
        named += "staircase" in bad(
            by_epochs([float(one) for one in losses * (1 + 0.05 * rng.standard_normal(len(done)))], each)
        )
    assert named <= 5


@pytest.mark.parametrize(
    ("losses", "named"),
    [
        ([4.46, 5.19, 4.78, 4.64, 4.74, 4.59, 4.49], True),
        ([4.46, 5.19, 4.78, 4.64, 4.45, 4.59, 4.49], False),  # one is below
        ([4.46, 5.19, 4.78, 4.64, 4.49], False),  # too few
        ([4.46, 5.19, 4.78, 4.64, 4.74, 4.79, 4.79], False),  # worse: that is another fault
    ],
)
def test_a_run_with_no_evaluation_below_its_base_has_gained_nothing(losses: list[float], named: bool) -> None:
    rng = np.random.default_rng(8)
    training = [(4.9 - 0.006 * i) * (1 + 0.05 * rng.standard_normal()) for i in range(180)]
    curve = Curve(points(training), evaluated(losses, every=30), source="log", total_steps=180, finished=True)
    curve = replace(curve, validation=[replace(one, step=one.step - 30) for one in curve.validation])
    found = bad(curve)
    assert ("plateau" in found) is named
    assert "plateau" not in bad(replace(curve, finished=False, total_steps=400)), "the rest may learn"


@pytest.mark.parametrize(("drop", "slope", "stairs"), [(0.09, 0.0, True), (0.05, 0.0, False), (0.09, 0.012, False)])
def test_a_smaller_drop_at_one_boundary_is_a_stair_where_the_loss_is_level_on_both_sides(
    drop: float, slope: float, stairs: bool
) -> None:
    scatter = [0.0, 0.02, -0.01, 0.01, -0.02, 0.01] * 4
    losses = [0.67 * (1 - drop * (i >= 12)) * (1 - slope * i) * (1 + scatter[i]) for i in range(24)]
    assert ("staircase" in bad(by_epochs(losses, 12))) is stairs


def test_a_high_stair_behind_two_epochs_that_fall_is_seen_in_few_records() -> None:
    falls = [7.9, 5.5, 3.6, 3.0, 2.3, 1.9, 1.7, 1.52, 1.6, 1.3, 1.23, 1.2, 1.2]
    assert bad(by_epochs([*falls[:12], *[0.89, 0.83, 0.86, 0.95, 0.93, 0.8]], 6))["staircase"] == "warn"
    assert "staircase" not in bad(by_epochs([*falls[:12], *[1.17, 1.13, 1.1, 1.07, 1.05, 1.03]], 6))


def test_no_first_batch_is_five_times_as_hard_as_guessing_however_far_later_records_scatter() -> None:
    scattered = [0.41, 0.52, 0.82, 1.81, 0.02, 0.49, 0.12, 0.008, 0.06, 0.006, 0.002]
    assert bad(Curve(points([59.4, *scattered], every=10), source="log"))["start-high"] == "fail"
    assert "start-high" not in bad(Curve(points([12.4, *scattered], every=10), source="log"))


def test_a_sum_that_begins_above_guessing_is_known_by_half_the_ratio() -> None:
    def named(first: float) -> bool:
        losses = [first, *(max(10.0, 30 * math.exp(-i / 6)) * (1 + 0.05 * (-1) ** i) for i in range(1, 160))]
        return "loss-summed" in bad(Curve(points(losses), evaluated([3.9, 3.8], every=70), source="log"))

    assert named(31.0) and not named(11.0)
