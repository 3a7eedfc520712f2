"""What logs of other repositories taught, as principles: each with the nearest thing that is not the fault."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.checks.curve._epochs import stairs
from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.finding import Verdict
from tests.checks.curve_material import bad, found, points

FALLING = [2 + math.exp(-i / 10) for i in range(60)]


def evaluated(losses: list[float], every: int = 10) -> list[Evaluation]:
    return [Evaluation(every * i, loss) for i, loss in enumerate(losses, 1)]


def by_epochs(losses: list[float], each: int, offset: float = 0.0, lr: float = 1e-4) -> Curve:
    """Records of ``each`` to an epoch; the first ends ``offset`` of a record after the start of its epoch."""
    made = [(i + 1 - offset) / each for i in range(len(losses))]
    logged = [Point(10 * i, loss, lr, 1.0, made[i - 1]) for i, loss in enumerate(losses, 1)]
    return Curve(logged, source="log")


def test_a_rise_in_one_last_evaluation_is_a_warning_and_in_two_a_failure() -> None:
    held_out = [2.5, 2.3, 2.2, 2.1, 2.05, 2.0]
    assert bad(Curve(points(FALLING), evaluated([*held_out, 2.3])))["overfit"] == "warn"
    assert "one evaluation alone" in found(Curve(points(FALLING), evaluated([*held_out, 2.3])))["overfit"].message
    assert bad(Curve(points(FALLING), evaluated([*held_out, 2.15, 2.3])))["overfit"] == "fail"


def test_held_out_rows_that_rise_while_training_rises_too_have_one_name() -> None:
    rng = np.random.default_rng(1)
    training = [*np.linspace(1.0, 0.2, 8), *np.linspace(0.2, 0.3, 10), *[0.3] * 42]
    noisy = [loss * (1 + 0.03 * rng.standard_normal()) for loss in training]
    curve = Curve(points(noisy), evaluated([0.3, 0.8, 0.8, 0.8, 0.8, 0.75]))
    assert bad(curve) == {"diverged": "fail"}


def test_evaluations_that_were_thrown_off_scatter_and_that_is_no_doubt_about_the_first() -> None:
    later = [3.6, 3.5, 3.2, 4.0, 4.0, 3.7, 4.5, 4.0, 4.2, 3.6, 3.7, 3.9, 3.5, 3.4]
    rising = points([1.2, 2.0, 2.1, 2.0, 1.9], every=30)
    assert bad(Curve(rising, evaluated([2.5, *later])))["diverged"] == "fail"
    scattered = [2.9, 3.6, 3.5, 2.9, 4.0, 4.0, 2.8, 4.5, 4.0, 4.2, 2.9, 3.7, 3.9, 3.5, 2.9]
    assert "diverged" not in bad(Curve(points([2.0, 2.0, 2.0, 2.0, 1.9], every=30), evaluated(scattered)))


def test_a_record_is_of_the_epoch_that_most_of_its_steps_are_of() -> None:
    sawtooth = [level * (1 + 0.02 * i) for level in (2.0, 1.7, 1.45, 1.25, 1.1) for i in range(5)]
    assert bad(by_epochs(sawtooth, 5, offset=-0.3))["staircase"] == "warn"
    steady = [2.0 * math.exp(-i / 40) for i in range(25)]
    assert "staircase" not in bad(by_epochs(steady, 5, offset=-0.3))


@pytest.mark.parametrize(
    ("second", "lr", "stairs"),
    [(0.6, 1e-4, True), (0.8, 1e-4, True), (0.6, 1e-5, False), (0.93, 1e-4, False)],
)
def test_one_boundary_is_enough_where_nothing_else_explains_the_drop(second: float, lr: float, stairs: bool) -> None:
    rng = np.random.default_rng(2)
    levels = [1.0] * 40 + [second] * 40
    curve = by_epochs([level * (1 + 0.05 * rng.standard_normal()) for level in levels], 40)
    after = [replace(point, lr=lr) if (point.epoch or 0) > 1 else point for point in curve.points]
    assert ("staircase" in bad(replace(curve, points=after))) is stairs


@pytest.mark.parametrize(("last", "verdict"), [(0.48, "fail"), (0.445, "warn"), (0.42, None)])
def test_evaluations_that_rise_from_the_first_on_are_memorising_though_one_of_few_comes_down(
    last: float, verdict: str | None
) -> None:
    """What five evaluations may scatter by is not known, but it is no more than in other logs."""
    training = points([0.33, 0.27, 0.25, 0.24, 0.24], every=100)
    held_out = evaluated([0.411, 0.44, 0.458, 0.447, last], every=100)
    if last < 0.445:
        held_out = evaluated([0.411, 0.415, 0.409, 0.416, last], every=100)
    assert bad(Curve(training, held_out, source="log")).get("overfit") == verdict


def test_a_first_evaluation_above_guessing_tells_the_start_where_nothing_before_it_was_lower() -> None:
    held_out = evaluated([10.6, 3.9, 3.4, 3.2, 3.0], every=250)
    later = [Point(500, 7.5), Point(1000, 3.8), Point(1500, 3.5)]
    assert bad(Curve(later, held_out, source="log"))["start-high"] == "warn"
    assert "evaluated at step 250" in found(Curve(later, held_out, source="log"))["start-high"].message
    shot_up = [Point(100, 2.1), *later]
    assert "start-high" not in bad(Curve(shot_up, held_out, source="log"))
    assert "start-high" not in bad(Curve(later, evaluated([10.6, 11.0, 11.2], every=250), source="log"))


def test_evaluations_that_stay_show_a_plateau_that_batches_hide() -> None:
    rng = np.random.default_rng(4)
    noisy = points([1.8 * (1 + 0.03 * rng.standard_normal()) for _ in range(24)], every=10)
    flat, falling = ([1.719 - step * i for i in range(6)] for step in (0.001, 0.01))
    assert bad(Curve(noisy, evaluated(flat, every=40))) == {"plateau": "warn"}
    assert "plateau" not in bad(Curve(noisy, evaluated(falling, every=40)))
    assert "plateau" not in bad(Curve(noisy, evaluated(flat[:4], every=60)[1:]))


def test_one_boundary_says_nothing_in_a_run_that_falls_fast() -> None:
    assert "staircase" not in bad(by_epochs([1 + 4 * math.exp(-i / 15) for i in range(60)], 30))


def test_a_run_that_was_lower_before_is_not_unfinished() -> None:
    high, low = ([first, 2.8, 2.5, 2.2, 2.0, 1.7] for first in (3.0, 1.0))
    assert "unfinished" in bad(Curve(points(FALLING), evaluated(high), total_steps=60, finished=True))
    assert "unfinished" not in bad(Curve(points(FALLING), evaluated(low), total_steps=60, finished=True))


def test_the_end_that_a_message_names_is_the_end_of_the_log() -> None:
    zeros = by_epochs([0.03, *[0.0] * 39], 8)
    assert "ends at 0.000" in found(zeros)["unmeasured"].message
    steep = by_epochs([8.6, 3.8, 1.0, 0.5, 0.47], 1)
    assert "ends at 0.470" in found(steep)["unmeasured"].message


def test_few_evaluations_are_enough_where_the_last_of_them_is_the_lowest() -> None:
    many_epochs = by_epochs([1 / i for i in range(1, 41)], 1)
    assert "unmeasured" in bad(replace(many_epochs, validation=evaluated([0.5, 0.3, 0.32], every=120)))
    assert "unmeasured" not in bad(replace(many_epochs, validation=evaluated([0.5, 0.3, 0.2], every=120)))


def test_a_loss_that_is_never_below_ten_times_guessing_is_no_mean_over_tokens() -> None:
    assert "start-high" not in bad(Curve(points([2000.0 - 30 * i for i in range(30)])))
    assert bad(Curve(points([2000.0 / (1 + i) for i in range(400)])))["start-high"] == "fail"


@pytest.mark.parametrize("logged_after", [True, False])
def test_a_step_that_the_scaler_skips_leaves_the_schedule_where_it_is_however_it_is_logged(logged_after: bool) -> None:
    lrs, norms, moved = [], [], 0
    for step in range(1, 61):
        skipped = step in (2, 3)
        lrs.append((moved + (not skipped) if logged_after else moved) * 1e-5)
        norms.append(math.nan if skipped else 1.0)
        moved += not skipped
    assert "nan" not in bad(Curve(points(FALLING, lr=lrs, grad_norm=norms)))
    moving = [step * 1e-5 for step in range(1, 61)]
    assert bad(Curve(points(FALLING, lr=moving, grad_norm=norms)))["nan"] == "warn"


@pytest.mark.parametrize(("share", "spikes"), [(1.0, True), (0.25, False)])
def test_the_short_last_step_of_an_epoch_is_no_spike(share: float, spikes: bool) -> None:
    losses, norms = [1.0] * 60, [0.2] * 60
    losses[31], norms[31] = 4.0, 2.0
    epochs = [0.03 * i if i < 32 else 0.03 * (31 + share) + 0.03 * (i - 32) for i in range(1, 61)]
    assert ("spike" in bad(Curve(points(losses, grad_norm=norms, epoch=epochs)))) is spikes


def test_a_rise_of_training_through_which_held_out_rows_are_known_better_is_of_harder_rows() -> None:
    losses = [*np.linspace(0.3, 0.7, 8), *[0.7 + 0.02 * (-1) ** i for i in range(14)], *[0.3] * 40]
    better = evaluated([0.6 - 0.01 * i for i in range(20)], every=3)
    alone, measured = (bad(Curve(points(losses), validation)) for validation in ([], better))
    assert {"spike", "diverged"} & set(alone)
    assert not {"spike", "diverged"} & set(measured)


def test_a_summed_loss_is_compared_where_it_falls_fast_too() -> None:
    held_out = [15.4, 2.38, 0.347, 0.3185, 0.3077, 0.3038]
    training = points([284.9, 161.2, 9.9, 5.39, 5.18, 5.02], every=100)
    assert "about 16." in found(Curve(training, evaluated(held_out, every=100)))["loss-summed"].message


def test_gradient_norms_of_zero_throughout_a_log_of_three_records_are_a_warning() -> None:
    assert bad(Curve(points([1.2, 1.0, 0.9], grad_norm=0.0)))["zero-loss"] == "warn"
    assert bad(Curve(points([1.2, 1.0, 1.1, 1.2, 1.0, 1.1], grad_norm=0.0)))["zero-loss"] == "fail"


def test_a_first_record_that_is_a_mean_of_steps_in_which_the_loss_fell_is_no_chance() -> None:
    losses = [8.5, 2.9, 2.1, 1.9, 1.9]
    assert bad(Curve(points(losses, every=10), source="log"))["start-high"] == "warn"
    assert "start-high" not in bad(Curve(points(losses), source="log"))
    assert "start-high" not in bad(Curve(points([7.7, *losses[1:]], every=10), source="log"))


def test_stairs_from_the_second_epoch_on_are_seen_though_the_first_epoch_falls() -> None:
    first = [1.4 * math.exp(-i / 6) + 0.7 for i in range(12)]
    level = [[height] * 12 for height in (0.68, 0.61, 0.55, 0.5)]
    rng = np.random.default_rng(3)
    noisy = [loss * (1 + 0.02 * rng.standard_normal()) for loss in [*first, *chain.from_iterable(level)]]
    assert bad(by_epochs(noisy, 12))["staircase"] == "warn"
    steady = [loss * (1 + 0.02 * rng.standard_normal()) for loss in [*first, *(0.72 - 0.005 * i for i in range(48))]]
    assert "staircase" not in bad(by_epochs(steady, 12))


@given(st.floats(0.3, 3), st.floats(3, 60), st.floats(0, 1), st.integers(2, 20), st.integers(4, 8))
def test_no_fall_that_slows_down_evenly_is_a_staircase(
    height: float, fast: float, rest: float, records: int, epochs: int
) -> None:
    falls = [rest + 0.2 + height * math.exp(-i / fast) for i in range(records * epochs)]
    assert "staircase" not in bad(by_epochs(falls, records))
    slower = [rest + 0.2 + height * (1 + i / fast) ** -0.5 for i in range(records * epochs)]
    assert "staircase" not in bad(by_epochs(slower, records))


def test_a_warm_up_in_a_log_that_may_go_on_is_not_judged() -> None:
    rising = [Point(step, 2.0, 1e-6 * step) for step in range(1, 40)]
    assert found(Curve(rising, source="log"))["warmup-long"].verdict is Verdict.SKIP
    assert "warmup-long" in bad(Curve(rising, source="log", total_steps=39))


def test_a_loss_near_zero_that_rises_to_many_times_its_lowest_diverges() -> None:
    rng = np.random.default_rng(5)
    course = [0.02 * math.exp(-i / 20) + 0.002 + (0.0004 * (i - 200) if i > 200 else 0) for i in range(280)]
    losses = [loss * (1 + 0.1 * rng.standard_normal()) for loss in course]
    assert bad(Curve(points(losses), source="log"))["diverged"] == "warn"
    assert "diverged" not in bad(Curve(points(losses[:200]), source="log"))


def test_half_a_run_that_is_flat_since_its_first_tenth_has_stalled() -> None:
    rng = np.random.default_rng(6)
    losses = [(7.4 + 11 * math.exp(-i / 3)) * (1 + 0.001 * rng.standard_normal()) for i in range(150)]
    curve = points(losses, every=10, lr=[1e-4 * (1 - i / 240) for i in range(150)])
    assert bad(Curve(curve, source="log", total_steps=2400))["stalled"] == "warn"
    assert "of 2,400" in found(Curve(curve, source="log", total_steps=2400))["stalled"].message
    assert "stalled" not in bad(Curve(curve, source="log", total_steps=4000))
    waiting = points(losses, every=10, lr=1e-4)
    assert "stalled" not in bad(Curve(waiting, source="log", total_steps=2400)), "before its learning rate decays"


def test_few_steps_that_leave_the_loss_where_it_was_are_a_plateau_once_the_run_is_over() -> None:
    losses = [3.3024 - 0.0002 * i for i in range(10)]
    assert bad(Curve(points(losses), source="log", total_steps=11))["plateau"] == "warn"
    assert "plateau" not in bad(Curve(points(losses), source="log", total_steps=400))


def test_losses_far_above_guessing_are_a_spike_however_far_batches_scatter() -> None:
    rng = np.random.default_rng(8)
    losses = list(np.exp(0.3 + 0.9 * rng.standard_normal(120)).clip(0.05, 6))
    with_bad = [*losses[:60], 17.0, 16.5, *losses[62:]]
    assert bad(Curve(points(with_bad), vocab_size=512))["spike"] == "warn"
    assert "spike" not in bad(Curve(points(losses), vocab_size=512))
    assert "spike" not in bad(Curve(points(with_bad), vocab_size=1_000_000))


def test_few_rows_that_rise_steadily_are_overfit_though_they_differ_widely() -> None:
    course = [3.3, 1.0, 1.03, 1.13, 1.2, 1.24, 1.25, 1.26]
    held_out = [
        Evaluation.of(10 * i, [16 * loss * (0.6 + 3.2 * (row == 0)) for row in range(8)], [16] * 8)
        for i, loss in enumerate(course)
    ]
    learned = points([3 * math.exp(-i / 8) for i in range(80)])
    assert bad(Curve(learned, held_out))["overfit"] == "warn"
    swinging = [held_out[i] for i in (0, 1, 5, 2, 6, 3, 7, 4)]
    moved = [replace(one, step=10 * i) for i, one in enumerate(swinging)]
    assert "overfit" not in bad(Curve(learned, moved))


def test_a_drop_of_the_learning_rate_at_the_end_of_an_epoch_is_no_stair() -> None:
    rng = np.random.default_rng(9)
    course = [2.0 * math.exp(-i / 15) + 1.0 for i in range(40)] + [1.05] * 40 + [0.9] * 80
    losses = [loss * (1 + 0.03 * rng.standard_normal()) for loss in course]
    made = [Point(10 * i, loss, 1e-4 if i <= 80 else 1e-5, 1.0, i / 40) for i, loss in enumerate(losses, 1)]
    assert "staircase" not in bad(Curve(made, source="log"))
    level = [replace(point, lr=1e-4) for point in made]
    assert stairs(Curve(level, source="log")).halves.boundaries == 2  # type: ignore[union-attr]
    assert stairs(Curve(made, source="log")).halves.boundaries == 1  # type: ignore[union-attr]


def test_drops_between_halves_of_epochs_scatter_as_they_are_said_to() -> None:
    rng = np.random.default_rng(10)
    found = [stairs(by_epochs(list(2 * np.exp(0.1 * rng.standard_normal(72))), 12)) for _ in range(300)]
    beyond = [one.halves.beyond for one in found if one and one.halves]
    assert len(beyond) == 300 and 0.85 < np.std(beyond) < 1.15 and abs(np.mean(beyond)) < 0.2


def test_losses_on_another_scale_are_no_bad_batches() -> None:
    rng = np.random.default_rng(11)
    sums = list(4 * np.exp(0.9 * rng.standard_normal(300)))
    assert "spikes" not in found(Curve(points(sums), vocab_size=512))["spike"].message


def test_a_sum_over_few_micro_batches_begins_no_worse_than_token_frequencies() -> None:
    rng = np.random.default_rng(12)
    sums = [(6.4 + 2.2 * math.exp(-i / 20)) * (1 + 0.02 * rng.standard_normal()) for i in range(60)]
    assert "start-high" not in bad(Curve(points(sums, every=10), source="log"))


def test_a_run_that_is_all_warm_up_is_no_plateau() -> None:
    assert "plateau" not in bad(Curve(points([2.0] * 10), source="log", total_steps=10, warmup_steps=30))


def test_a_small_loss_that_grows_from_the_start_on_has_not_come_back_up() -> None:
    rng = np.random.default_rng(13)
    grows = [0.03 * i / 200 + 0.001 * rng.standard_normal() for i in range(200)]
    assert "diverged" not in bad(Curve(points(grows), source="log"))


def test_two_means_of_very_many_steps_that_are_alike_are_a_plateau() -> None:
    assert bad(Curve(points([10.783, 10.767], every=100), source="log", total_steps=250))["plateau"] == "warn"
    assert "plateau" not in bad(Curve(points([5.29, 5.2], every=500), source="log", total_steps=1500))
    assert "plateau" not in bad(Curve(points([10.783, 10.767], every=10), source="log", total_steps=250))


def test_many_evaluations_that_rise_steadily_are_overfit_though_a_steep_start_makes_them_look_noisy() -> None:
    course = [3.33, 1.0, 1.03, 1.14, 1.21, 1.24, 1.257, 1.266, 1.272, 1.277, 1.281, 1.284, 1.285]
    held_out = [Evaluation(9 * i, loss) for i, loss in enumerate(course)]
    assert bad(Curve(points([3 * math.exp(-i / 8) for i in range(110)]), held_out, source="log"))["overfit"] == "warn"
    flat = [replace(one, loss=min(one.loss, 1.03)) for one in held_out]
    assert "overfit" not in bad(Curve(points([3 * math.exp(-i / 8) for i in range(110)]), flat, source="log"))
