"""Curves that end too high: diverged, flat, begun too high, overfit; and those that only seem so."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sanetune.curves.series import Curve, Evaluation
from sanetune.finding import Verdict
from tests.checks.curve_material import bad, evaluations, found, points

FALLING = [3 - 1.5 * (1 - math.exp(-i / 40)) + 0.2 * (-1) ** i for i in range(200)]
"""200 noisy training losses from 3 to 1.5."""


def trial(validation: list[float], losses: list[float] | None = None, **more: object) -> Curve:
    flat = [validation[0] + 0.1 * (-1) ** i for i in range(200)]
    return Curve(points(losses or flat), evaluations(validation), planned_lr=3e-3, total_steps=2000, **more)  # type: ignore[arg-type]


def test_a_rise_of_the_validation_rows_is_a_divergence_with_a_lower_learning_rate() -> None:
    finding = found(trial([3.0, 3.2, 3.6, 3.9, 4.0]))["diverged"]
    assert finding.verdict is Verdict.FAIL
    assert "3.000 to 4.000" in finding.message
    assert finding.fix == {"train.learning_rate": 0.001}


def test_the_further_it_rose_the_lower_the_learning_rate() -> None:
    assert found(trial([3.0, 5, 7, 8, 9]))["diverged"].fix == {"train.learning_rate": 3e-4}
    assert found(replace(trial([3.0, 5, 7, 8, 9]), planned_lr=None))["diverged"].fix == {}


@pytest.mark.parametrize(("end", "verdict"), [(3.04, None), (3.08, "warn"), (3.28, "warn"), (3.32, "fail")])
def test_how_high_it_may_end(end: float, verdict: str | None) -> None:
    assert bad(trial([3.0, 3.0, 3.0, 3.0, end])).get("diverged") == verdict


def test_what_had_been_in_the_loss_and_is_lost_counts_though_it_ends_below_its_start() -> None:
    finding = found(trial([8.0, 3.0, 2.0, 6.0, 6.0]))["diverged"]
    assert finding.verdict is Verdict.FAIL
    assert "2.000 at step 100" in finding.message


def test_a_hump_that_comes_down_again_is_no_divergence() -> None:
    assert "diverged" not in bad(trial([3.0, 5.0, 3.5, 2.5, 2.0], FALLING))


def test_validation_rows_that_fall_overrule_rising_batches() -> None:
    rising = [2 + i / 50 for i in range(200)]
    assert "diverged" not in bad(trial([3.0, 2.8, 2.6, 2.5, 2.4], rising))


def test_validation_rows_that_rise_while_training_falls_are_overfit_and_not_diverged() -> None:
    curve = trial([3.0, 2.2, 2.5, 3.0, 3.6], FALLING, steps_per_epoch=25)
    assert bad(curve) == {"overfit": "fail"}
    finding = found(curve)["overfit"]
    assert finding.fix == {"train.load_best_model_at_end": True, "train.num_train_epochs": 2.0}
    assert "63.6 % higher" in finding.message
    assert "fewer epochs" in finding.remedy


@pytest.mark.parametrize(("end", "verdict"), [(2.05, None), (2.07, "warn"), (2.12, "fail")])
def test_how_far_validation_may_rise_from_its_minimum(end: float, verdict: str | None) -> None:
    assert bad(trial([3.0, 2.2, 2.1, 2.0, end], FALLING)).get("overfit") == verdict


def test_a_loss_that_shoots_up_at_once_and_comes_half_down_has_diverged() -> None:
    shooting = [3.0, 5.0, 7.0, 8.0, 8.0, *[8 - 4 * (1 - math.exp(-i / 40)) for i in range(195)]]
    assert bad(trial([3.0, 5.5, 4.5, 4.2, 4.0], shooting)).get("diverged") == "fail"
    assert "overfit" not in bad(trial([3.0, 5.5, 4.5, 4.2, 4.0], shooting))


def test_validation_that_is_worst_from_the_first_step_on_asks_for_a_lower_learning_rate() -> None:
    assert found(trial([3.0, 3.5, 4, 4.5, 5], FALLING))["overfit"].fix == {"train.learning_rate": 0.001}


def test_looks_without_rows_are_judged_by_how_far_they_jump() -> None:
    jumping = [3.0, 2.2, 2.0, 2.15, 1.98, 2.14, 2.0, 2.13]
    assert "overfit" not in bad(Curve(points(FALLING, 2), evaluations(jumping, rows=0)))


def test_one_check_says_nothing_about_overfitting() -> None:
    assert found(Curve(points(FALLING), evaluations([2.0])))["overfit"].verdict is Verdict.SKIP


def test_a_held_out_loss_that_stays_is_a_plateau() -> None:
    curve = trial([3.0, 2.9995, 2.999, 2.9985, 2.998])
    assert bad(curve) == {"plateau": "fail"}
    assert "200 steps" in found(curve)["plateau"].message


def test_a_plateau_after_a_fall_is_none() -> None:
    assert bad(trial([3.0, 2.0, 2.0, 2.0, 2.0], FALLING)) == {}


def test_a_few_steps_after_warm_up_prove_no_plateau() -> None:
    assert found(replace(trial([3.0, 3.0, 3.0, 3.0, 3.0]), warmup_steps=160))["plateau"].verdict is Verdict.SKIP


def test_flat_batches_alone_are_a_warning_and_only_where_they_can_tell() -> None:
    assert bad(Curve(points([1.5 + 0.05 * (-1) ** (i // 2) for i in range(200)]))) == {"plateau": "warn"}
    assert bad(Curve(points([1.5 + 0.05 * (-1) ** (i // 2) for i in range(12)]))) == {}


def test_few_exact_losses_that_rule_out_every_fall_are_a_plateau() -> None:
    """Ten means of ten steps each: a loss that stays within a thousandth hides no fall of a hundredth."""
    flat = [4.69 + 0.004 * (-1) ** (i // 2) for i in range(10)]
    assert bad(Curve(points(flat, every=10))) == {"plateau": "warn"}
    assert bad(Curve(points([loss - 0.008 * i for i, loss in enumerate(flat)], every=10))) == {}
    assert bad(Curve(points([5.0, *flat[1:]], every=10))) == {}
    assert "plateau" not in bad(Curve(points([loss / 100 for loss in flat], every=10)))


def test_few_losses_that_hardly_differ_at_all_are_flat() -> None:
    still = [3.568, 3.545, 3.540, 3.543, 3.540, 3.539]
    finding = found(Curve(points(still, every=100), source="log"))["plateau"]
    assert finding.verdict is Verdict.WARN
    assert "all 6 training losses are between 3.539 and 3.568" in finding.message.lower()
    assert "plateau" not in bad(Curve(points(still[:4], every=100), source="log"))
    assert "plateau" not in bad(Curve(points([3.6, *still], every=100), source="log"))


def noisy(fall: float, count: int = 500, scatter: float = 0.1) -> list[float]:
    """Losses that scatter by a share about a straight line from 2 nats down by ``fall``."""
    noise = np.random.default_rng(3).standard_normal(count)
    return [2.0 * (1 - fall * i / count) * math.exp(scatter * noise[i]) for i in range(count)]


def test_noise_hides_a_flat_course_only_where_it_could_hide_a_fall_of_a_tenth() -> None:
    assert bad(Curve(points(noisy(0.0)))) == {"plateau": "warn"}
    assert "plateau" not in bad(Curve(points(noisy(0.0, count=60, scatter=0.3))))
    assert "plateau" not in bad(Curve(points(noisy(0.08))))


def test_validation_that_falls_between_its_evaluations_is_no_plateau_whatever_batches_hide() -> None:
    flat = Curve(points(noisy(0.0)))
    assert "plateau" not in bad(replace(flat, validation=[Evaluation(200, 2.0), Evaluation(500, 1.95)]))


def test_a_learning_rate_of_zero_is_told_once() -> None:
    assert set(bad(Curve(points(noisy(0.0), lr=0.0)))) == {"rate-zero"}


@pytest.mark.parametrize(
    ("start", "vocabulary", "verdict"),
    [
        (6.0, 512, None),
        (6.3, 512, None),
        (6.7, 512, "warn"),
        (8.3, 512, "fail"),
        (8.1, None, None),
        (8.4, None, "warn"),
        (9.3, None, "warn"),
        (16.6, None, "fail"),
    ],
)
def test_where_a_curve_may_begin(start: float, vocabulary: int | None, verdict: str | None) -> None:
    """The mean of these twenty rows has a standard error of 5.4 %."""
    curve = replace(trial([start, 3, 2.5, 2.2, 2.1], FALLING), vocab_size=vocabulary)
    assert bad(curve).get("start-high") == verdict


def test_limits_can_be_moved() -> None:
    curve = trial([3.0, 3.0, 3.0, 3.0, 3.2])
    assert found(curve)["diverged"].verdict is Verdict.WARN
    assert found(curve, diverged={"rise": 0.05})["diverged"].verdict is Verdict.FAIL


SMALL_SWINGS = Curve([], [], evaluations([3 - 0.02 * i + 0.1 * (i // 3 % 2) for i in range(41)], every=5, rows=16))
JUMPING = Curve(points(FALLING, 2), evaluations([2.2, 2.1, 2.0, 2.05, 2.1, 2.15, 2.2], rows=0))
SPIKED = Curve(points([*FALLING[:100], 9.0, 9.0, *FALLING[102:]]))


@pytest.mark.parametrize(
    ("check", "curve", "limit", "before", "after"),
    [
        ("oscillating", SMALL_SWINGS, {"height": 0.01, "height_of_fall": 0.01}, "pass", "fail"),
        ("overfit", JUMPING, {"jump": 0.1, "climbs": 9}, "fail", "pass"),
        ("spike", SPIKED, {"times": 9, "hump_times": 9}, "warn", "pass"),
        ("spike", SPIKED, {"sure": 1000, "hump_sure": 1000}, "warn", "pass"),
        (
            "start-high",
            Curve(points([11.0] * 20)),
            {"smallest_vocabulary": 100_000, "frequencies": 12.0},
            "warn",
            "pass",
        ),
        ("rate-zero", Curve(points(FALLING, lr=[0.0] * 30 + [1e-4] * 170)), {"ends": 30}, "warn", "pass"),
    ],
)
def test_limits_of_what_is_measured_can_be_moved_too(
    check: str, curve: Curve, limit: dict[str, float], before: str, after: str
) -> None:
    assert found(curve)[check].verdict.value == before
    assert found(curve, **{check.replace("-", "_"): limit})[check].verdict.value == after


def test_a_difference_without_any_noise_is_certain() -> None:
    """A standard error of zero means that everything agrees, not that nothing is known."""
    line = points([3 - 0.012 * step for step in range(200)])
    assert bad(Curve(line, finished=True)) == {"unfinished": "warn"}
    stairs = [level for level in (1.2, 0.8, 0.5) for _ in range(60)]
    curve = Curve(points(stairs, epoch=[(step + 1) / 60 for step in range(180)]))
    assert bad(curve)["staircase"] == "warn"


def test_a_stable_curve_near_zero_does_not_diverge() -> None:
    assert bad(Curve(points([0.02] * 100 + [0.04 + 0.001 * (i % 2) for i in range(100)]))).get("diverged") is None


def test_a_loss_below_zero_is_no_sign_of_learning() -> None:
    uphill = [-3.0 - i / 20 for i in range(200)]
    assert bad(trial([3.0, 6.0, 9.0, 12.0, 14.0], uphill))["diverged"] == "fail"


def test_the_mean_of_the_first_losses_is_known_better_than_the_very_first() -> None:
    """Batches scatter by a fifth: the first alone could be below what guessing costs."""
    high = [11.2, 14.0, 12.1, 15.3, 11.0, 14.8, 11.9, 14.1, *[12.0, 9.5, 11.5] * 8]
    one = found(Curve(points(high), source="log"))["start-high"]
    assert one.verdict is Verdict.WARN and "mean of the first 8 losses is 13.05" in one.message
    assert "start-high" not in bad(Curve(points([0.6 * loss for loss in high]), source="log"))


def test_low_losses_that_scatter_far_are_no_doubt_about_a_high_start() -> None:
    falling = [9.4, 9.2, 8.8, 8.1, 7.2, 6.0, 4.0, 2.0, 0.5, 0.9, 0.3, 0.7, 0.2, 0.6, 0.3, 0.8]
    assert bad(Curve(points(falling, every=10), source="log")).get("start-high") == "warn"


def test_one_bad_row_in_the_first_batch_is_no_high_start_of_a_model_that_an_evaluation_knows() -> None:
    held_out = [Evaluation(0, 4.18), Evaluation(20, 3.1)]
    losses = [12.6, 4.1, 4.0, 3.9, *[3.5] * 16]
    assert "start-high" not in bad(Curve(points(losses), held_out, source="log", vocab_size=512))
    assert "start-high" in bad(Curve(points([12.6, 12.4, 12.5, 11.9, *losses]), held_out, source="log", vocab_size=512))


def test_a_loss_that_shoots_up_did_not_begin_high() -> None:
    assert "start-high" not in bad(Curve(points([1.4, 9, 36, 24, 24, 20, 18, 17, *[8.0, 7.5] * 20]), source="log"))


def test_a_zero_of_a_coarse_log_whose_gradient_is_not_zero_is_a_small_loss() -> None:
    losses = [2.0, 1.5, 0.9, 0.8, 0.9, 0.0, 0.9, 0.7, 0.8, 0.0, 0.7, 0.9]
    moving = [0.1 if loss == 0 else 2.0 for loss in losses]
    assert "zero-loss" not in bad(Curve(points(losses, grad_norm=moving), source="log"))
    still = [0.0 if loss == 0 else 2.0 for loss in losses]
    assert bad(Curve(points(losses, grad_norm=still), source="log"))["zero-loss"] == "fail"


def test_gradient_norms_of_zero_are_counted_beside_a_single_loss_of_zero() -> None:
    losses = [2.0, 1.5, 0.9123, 0.8, 0.9, 0.0, 0.9, 0.7, 0.8, 0.6, 0.7, 0.9]
    norms = [3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 2.0, 0.0, 3.0, 0.0, 1.0, 0.0]
    finding = found(Curve(points(losses, grad_norm=norms), source="log"))["zero-loss"]
    assert finding.verdict is Verdict.FAIL
    assert "1 of 12 training losses" in finding.message and "7 of 12 gradient norms" in finding.message


def test_a_log_of_two_decimals_prints_a_small_loss_as_zero() -> None:
    memorised = [1.42, 0.61, 0.2, 0.08, 0.04, 0.03, 0.02, 0.0, 0.03, 0.01, 0.0, 0.02, 0.02, 0.0, 0.01, 0.03]
    assert "zero-loss" not in bad(Curve(points(memorised), source="log"))
    empty = [1.42, 0.61, 1.2, 1.08, 0.0, 1.03, 0.98, 0.0, 1.13, 1.01, 0.0, 0.92, 1.02, 0.0, 1.01, 0.83]
    assert bad(Curve(points(empty), source="log"))["zero-loss"] == "fail"


def test_a_loss_that_rises_from_below_guessing_is_no_high_start() -> None:
    # A learning rate a hundred times too high: the base is sound, and its tokens and labels are.
    risen = [6.24, 5.90, 11.09, 11.95, 13, 15, 21.6, 23, 22, 20, 17, 14, 12, 11, 11, 10.9, 10.8]
    assert "start-high" not in bad(Curve(points(risen), source="log", vocab_size=2048))
    assert "start-high" in bad(Curve(points([11.2, 10.9, *risen[2:]]), source="log", vocab_size=2048))
