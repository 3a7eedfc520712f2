"""Curves as tables, copied notebooks and parts of logs show them: few records, few digits, nothing before the first."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.finding import Verdict
from tests.checks.curve_material import bad, evaluations, found, points

LOG = "log"


def table(training: list[float], validation: list[float], every: int = 100, epochs: float = 4.0) -> Curve:
    """A whole run of which each line shows the last training loss and an evaluation."""
    count = len(validation)
    losses = [Point((i + 1) * every, loss, epoch=epochs * (i + 1) / count) for i, loss in enumerate(training)]
    evaluated = [Evaluation((i + 1) * every, loss) for i, loss in enumerate(validation)]
    total = count * every
    return Curve(losses, evaluated, total_steps=total, steps_per_epoch=total / epochs, finished=True, sampled=True)


def test_evaluations_on_the_grid_of_half_precision_may_be_equal_though_the_table_has_four_decimals() -> None:
    falling = [1.9912, 1.8955, 1.8203, 1.7393, 1.6641, 1.6016, 1.5527, 1.5176, 1.4922, 1.4727]
    curve = table([1.5] * 13, [*falling, 1.4307, 1.4307, 1.4307])
    assert "unchanged" not in bad(curve)
    # Off the grid the same three are those of a model that stands still.
    assert "unchanged" in bad(table([1.5] * 13, [*(loss + 0.0002 for loss in falling), 1.4309, 1.4309, 1.4309]))


def test_validation_losses_near_zero_that_differ_by_factors_are_no_overfitting() -> None:
    near = [0.37, 0.18, 0.0097, 0.0023, 0.0013, 0.0005, 0.0018, 0.0036, 0.0013, 0.0035]
    assert "overfit" not in bad(table([0.2, 0.1, 0.05, 0.02, 0.01, 0.008, 0.006, 0.004, 0.003, 0.002], near))
    higher = [loss if i < 6 else loss + 0.02 for i, loss in enumerate(near)]
    assert "overfit" in bad(table([0.2, 0.1, 0.05, 0.02, 0.01, 0.008, 0.006, 0.004, 0.003, 0.002], higher))


STAIRS = [0.5, 0.44, 0.43, 0.42, 0.31, 0.325, 0.32, 0.31, 0.226, 0.23, 0.24, 0.228]
"""Three epochs of four records."""
ENDS_HIGH = [0.46, 0.434, 0.425, 0.418, 0.42, 0.4157, 0.412, 0.4079, 0.444, 0.443, 0.4425, 0.4431]


def test_a_last_epoch_all_above_the_lowest_while_training_falls_is_overfitting() -> None:
    assert bad(table(STAIRS, ENDS_HIGH, epochs=3.0)).get("overfit") in ("warn", "fail")
    holds = [*ENDS_HIGH[:8], 0.41, 0.409, 0.408, 0.4085]
    assert "overfit" not in bad(table(STAIRS, holds, epochs=3.0))


def test_stairs_count_where_the_last_evaluations_are_above_the_lowest_and_not_where_they_hold() -> None:
    assert "staircase" in bad(table(STAIRS, ENDS_HIGH, epochs=3.0))
    holds = [*ENDS_HIGH[:8], 0.41, 0.409, 0.408, 0.4085]
    assert "staircase" not in bad(table(STAIRS, holds, epochs=3.0))


def test_a_training_loss_of_a_table_is_of_the_epoch_of_its_line() -> None:
    """It is no mean since the record before, which would be of the epoch before at a boundary."""
    training = [0.83, 0.70, 0.68, 0.66, 0.587, 0.588, 0.58, 0.573, 0.49, 0.494, 0.483, 0.489]
    epochs = [0.2, 0.4, 0.6, 0.8, 1.04, 1.25, 1.45, 1.66, 2.07, 2.28, 2.49, 2.7]
    losses = [Point(50 * i, loss, epoch=epoch) for i, (loss, epoch) in enumerate(zip(training, epochs, strict=True), 1)]
    curve = Curve(losses, total_steps=700, steps_per_epoch=241, finished=True)
    assert "staircase" in bad(replace(curve, sampled=True))
    assert found(replace(curve, sampled=True))["staircase"].numbers["highest_before"] == pytest.approx(0.573, abs=0.01)


def test_one_thing_has_one_name_of_overfitting_and_an_earlier_best() -> None:
    long = [1.0 - 0.01 * i for i in range(20)]
    turned = [*long, *(0.81 + 0.002 * i for i in range(20))]
    training = [1.0 - 0.015 * i for i in range(40)]
    found_bad = bad(table(training, turned))
    assert "overfit" in found_bad and "best-earlier" not in found_bad


def test_held_out_rows_that_fall_to_the_end_as_fast_as_before_are_unfinished() -> None:
    even = [2.4688, 2.3848, 2.3223, 2.2715, 2.2246, 2.1895, 2.1465, 2.1035, 2.0586]
    assert "unfinished" in bad(table([2.6 - 0.03 * i for i in range(9)], even, every=6, epochs=0.96))
    slower = [2.4688, 2.3, 2.2, 2.14, 2.1, 2.08, 2.07, 2.062, 2.0586]
    assert "unfinished" not in bad(table([2.6 - 0.03 * i for i in range(9)], slower, every=6, epochs=0.96))
    one_low = [2.4688, 2.3848, 2.3223, 2.2715, 2.2246, 2.21, 2.2, 2.19, 2.0586]
    assert "unfinished" not in bad(table([2.6 - 0.03 * i for i in range(9)], one_low, every=6, epochs=0.96))


@pytest.mark.parametrize(
    ("planned", "total", "named"), [(100, 48, True), (10, 100, False), (30, 100, True), (3, 5, False)]
)
def test_a_planned_warm_up_counts_where_no_learning_rate_was_logged(planned: int, total: int, named: bool) -> None:
    curve = Curve(points([2.0, 1.9, 1.8, 1.7], every=total // 4), warmup_steps=planned, total_steps=total, source=LOG)
    assert ("warmup-long" in bad(curve)) == named


def test_a_part_of_a_log_says_nothing_of_what_was_evaluated_before_it() -> None:
    losses = [Point(750 + 10 * i, 1.5 - 0.01 * i, epoch=3.0 + i / 17) for i in range(17)]
    assert "unmeasured" not in bad(Curve(losses, total_steps=2142, source=LOG))
    whole = [Point(10 * i, 1.5 - 0.01 * i, epoch=4 * i / 17) for i in range(1, 18)]
    assert "unmeasured" in bad(Curve(whole, total_steps=170, finished=True, source=LOG))


def test_ten_steps_over_many_epochs_are_unmeasured_and_fewer_are_a_test() -> None:
    losses = [0.1271, 0.1271, 0.04, 0.0029, 0.0005, 0.0005, 0.0006, 0.0005, 0.0006, 0.0005]
    memorised = Curve(
        [Point(i, loss, epoch=float(i)) for i, loss in enumerate(losses, 1)], total_steps=10, finished=True, source=LOG
    )
    assert "unmeasured" in bad(memorised)
    test = Curve(
        [Point(i, 2.0 - 0.1 * i, epoch=float(i)) for i in range(1, 9)], total_steps=8, finished=True, source=LOG
    )
    assert "unmeasured" not in bad(test)


def test_gradient_norms_that_are_never_numbers_are_no_steps_that_a_scaler_skips() -> None:
    lrs = [0.05 - 1e-6 * i * i for i in range(6)]
    curve = Curve(points([2.0, 1.9, 1.8, 1.7, 1.6, 1.5], grad_norm=math.nan, lr=lrs))
    assert bad(curve)["nan"] == "fail"


def test_losses_that_come_again_in_the_same_order_to_the_last_digit_are_no_learning() -> None:
    once = [0.9741, 1.3742, 1.239, 0.967, 1.0386, 1.1681, 1.224, 0.961]
    finding = found(Curve(points([*once, *once])))["plateau"]
    assert finding.verdict is Verdict.WARN and "come again to the last digit" in finding.message
    moved = [*once, *(loss - 0.0001 for loss in once)]
    assert found(Curve(points(moved)))["plateau"].verdict is not Verdict.WARN


def test_a_loss_that_stays_where_it_is_through_many_epochs_is_flat_though_it_scatters() -> None:
    losses = [4.92 * math.exp(0.055 * one) for one in np.random.default_rng(0).normal(size=60)]
    many = [20 * (i + 1) / 60 for i in range(60)]
    assert "plateau" in bad(Curve(points(losses, epoch=many), total_steps=60, finished=True))
    falling = [loss * (1 - 0.004 * i) for i, loss in enumerate(losses)]
    assert "plateau" not in bad(Curve(points(falling, epoch=many), total_steps=60, finished=True))


def test_a_single_far_drop_between_epochs_is_a_stair_with_few_records_on_its_sides() -> None:
    losses = [0.3025, 0.3181, 0.309, 0.2853, 0.1806, 0.1732, 0.1614, 0.1905, 0.171, 0.1826, 0.1814]
    steps = [Point(550 + 10 * i, loss, lr=2e-4, epoch=2.85 + 0.0515 * i) for i, loss in enumerate(losses)]
    assert "staircase" in bad(Curve(steps))
    less = [
        Point(one.step, one.loss if i < 4 else 0.28 + 0.5 * (one.loss - 0.17), epoch=one.epoch)
        for i, one in enumerate(steps)
    ]
    assert "staircase" not in bad(Curve(less))


def test_a_loss_that_is_higher_after_a_gradient_that_nothing_but_a_fault_has_is_a_spike() -> None:
    losses = [0.094, 0.1019, 0.0922, 0.0894, 0.0928, 0.0949, 0.0946, 0.1045, 0.1246, 0.0988, 0.1025]
    norms = [3.6, 3.8, 3.1, 2.5, 2.4, 2.5, 5.7, 237.6, 5.0, 5.7, 3.7]
    assert "spike" in bad(Curve(points(losses, grad_norm=norms)))
    unharmed = [*losses[:8], 0.0946, *losses[9:]]
    assert "spike" not in bad(Curve(points(unharmed, grad_norm=norms)))
    memorised = [loss / 40 for loss in losses[:8]] + [0.11] + [loss / 40 for loss in losses[9:]]
    assert "spike" not in bad(Curve(points(memorised, grad_norm=norms)))
    usual = [*norms[:7], 40.0, *norms[8:]]
    assert "spike" not in bad(Curve(points(losses, grad_norm=usual)))


def test_evaluations_far_above_the_start_are_a_divergence_however_far_they_scatter() -> None:
    training = [1.6, 7.9, 8.4, 7.1, 6.6, 9.0, 7.7, 6.9, 8.1, 7.3]
    curve = Curve(points(training, every=6), evaluations([1.6, 9.9, 7.9, 6.6], every=20, rows=0), total_steps=60)
    assert bad(curve)["diverged"] == "fail"


def test_a_slight_rise_of_every_evaluation_while_training_memorises_is_overfitting() -> None:
    training = [6.1, 5.4, 5.1, 4.7, 4.4, 4.2, 3.9, 3.7, 3.5, 3.3]
    held_out = [5.27, 5.05, 4.87, 4.81, 4.75, 4.734, 4.741, 4.758, 4.783, 4.813]
    assert bad(table(training, held_out, epochs=10.0)).get("overfit") == "warn"
    # One that goes back in between may be the to and fro of the weights; a training loss that stays memorises nothing.
    assert "overfit" not in bad(table(training, [*held_out[:7], 4.783, 4.758, 4.813], epochs=10.0))
    assert "overfit" not in bad(table([*training[:6], 4.2, 4.15, 4.2, 4.15], held_out, epochs=10.0))


def test_the_lowest_of_many_scattered_evaluations_is_no_turn() -> None:
    """Each is of a single batch: the lowest of fifty is below all later ones by chance."""
    scatter = np.random.default_rng(4).normal(0, 0.12, 50)
    held_out = [(10.8 * math.exp(-i / 6) + 4.3) * math.exp(scatter[i]) for i in range(50)]
    held_out[33] = 0.94 * min(held_out)
    training = [10.8 * math.exp(-i / 6) + 4.4 - 0.008 * i for i in range(50)]
    later = min(held_out[34:]) / held_out[33] - 1
    assert later > 0.05
    assert "overfit" not in bad(table(training, held_out, epochs=1.0))


def test_a_run_that_evaluates_at_every_record_is_measured_whatever_it_calls_an_epoch() -> None:
    steps = range(1, 5002, 200)  # iterations, under the name of epochs
    losses = [Point(step, 1 + 3 / step**0.5, epoch=float(step)) for step in steps]
    held_out = [Evaluation(step, 1.02 + 3 / step**0.5) for step in steps]
    held_out[-1] = Evaluation(steps[-1], held_out[-2].loss * 1.01)
    curve = Curve(losses, held_out, total_steps=5001, steps_per_epoch=1.0, finished=True, source=LOG)
    assert "unmeasured" not in bad(curve)
    assert "unmeasured" in bad(replace(curve, validation=held_out[-4:]))
