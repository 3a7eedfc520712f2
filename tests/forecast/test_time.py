"""Seconds of the whole run: the mean of a step, how sure it is, and how many steps, evaluations and saves there are."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sanetune.forecast.time import (
    OUTLIER,
    Range,
    count_checkpoint_saves,
    count_evaluations,
    evaluation_seconds,
    step_time_of,
)
from sanetune.probes.results import Timing
from tests.forecast import made


def test_the_first_steps_warm_up_and_do_not_count() -> None:
    measured = made.timing(0.5, 100, steps=50)
    measured.step_seconds[:3] = [9.0, 5.0, 2.0]
    found = step_time_of(measured, 100)
    assert found.seconds.middle == pytest.approx(0.5)
    assert found.steps == 47


def test_slow_steps_count_as_often_as_they_come() -> None:
    """A tenth of the steps takes twice as long: the sum does, and a median would not know."""
    measured = made.timing(1.0, 100, steps=203)
    measured.step_seconds[3:] = [2.0 if step % 10 == 0 else 1.0 for step in range(200)]
    assert step_time_of(measured, 100).seconds.middle == pytest.approx(1.1, abs=0.08)


def test_one_long_pause_hardly_counts() -> None:
    measured = made.timing(1.0, 100, steps=203)
    measured.step_seconds[50] = 600.0
    assert step_time_of(measured, 100).seconds.middle == pytest.approx(1.0, abs=OUTLIER / 20 / 100)


def test_steps_with_more_tokens_than_the_run_has_are_corrected_along_their_slope() -> None:
    draw = random.Random(0)
    tokens = [draw.randint(800, 1600) for _ in range(200)]
    seconds = [0.3 + 0.001 * count + draw.gauss(0, 0.02) for count in tokens]
    found = step_time_of(Timing(step_seconds=seconds, tokens=tokens), 1_000)
    assert found.seconds.middle == pytest.approx(1.3, rel=0.02)
    assert not found.scaled


def test_steps_that_do_not_depend_on_their_tokens_are_left_alone() -> None:
    draw = random.Random(1)
    tokens = [draw.randint(800, 1600) for _ in range(200)]
    found = step_time_of(Timing(step_seconds=[0.3 + draw.gauss(0, 0.01) for _ in tokens], tokens=tokens), 1_000)
    assert found.seconds.middle == pytest.approx(0.3, rel=0.03)


def test_steps_far_from_those_of_the_run_are_taken_in_proportion() -> None:
    found = step_time_of(made.timing(0.5, 1_000), 8_000)
    assert found.scaled
    assert found.seconds.middle == pytest.approx(4.0)


def test_the_interval_holds_the_slowest_and_the_fastest_part() -> None:
    measured = made.timing(1.0, 100, steps=53)
    measured.step_seconds[3:] = [1.0] * 10 + [1.1] * 10 + [1.0] * 20 + [0.9] * 10
    seconds = step_time_of(measured, 100).seconds
    assert (seconds.low, seconds.middle, seconds.high) == pytest.approx((0.9, 1.0, 1.1))


def test_a_few_steps_give_a_wide_interval_and_none_an_error() -> None:
    seconds = step_time_of(made.timing(1.0, 100, steps=4), 100).seconds
    assert seconds == Range(0.5, 1.0, 2.0)
    with pytest.raises(ValueError, match="no step"):
        step_time_of(Timing(), 100)


def test_steps_without_tokens_are_taken_as_they_are() -> None:
    assert step_time_of(Timing(step_seconds=[1.0] * 20), 500).seconds.middle == 1.0


def run(**train: Any) -> tuple[Any, Any]:
    settings = made.config(train={"per_device_train_batch_size": 10, "gradient_accumulation_steps": 1, **train})
    plan = made.planned(settings)
    return plan.steps, plan.config


@pytest.mark.parametrize(
    ("train", "count", "saved"),
    [
        ({"max_steps": 100, "eval_steps": 50, "save_steps": 50}, 3, 2),  # before, at 50, at 100
        ({"max_steps": 100, "eval_steps": 30, "save_steps": 30}, 5, 4),  # before, at 30, 60, 90, 100
        ({"max_steps": 100, "eval_steps": 500, "save_steps": 500}, 2, 1),
        ({"max_steps": 100, "eval_steps": 50, "eval_on_start": False, "save_strategy": "no"}, 2, 0),
        ({"max_steps": 100, "eval_steps": 20, "eval_delay": 50, "save_steps": 20}, 4, 5),
        ({"num_train_epochs": 3.0, "eval_strategy": "epoch", "save_strategy": "epoch"}, 5, 3),
        ({"max_steps": 100, "eval_strategy": "no", "save_steps": 50}, 0, 2),
    ],
)
def test_evaluations_and_saves_are_counted_as_the_run_makes_them(train: dict[str, Any], count: int, saved: int) -> None:
    steps, config = run(**train)
    assert (count_evaluations(steps, config, 100), count_checkpoint_saves(steps, config, 100)) == (count, saved)


def test_without_validation_rows_there_is_no_evaluation() -> None:
    steps, config = run(max_steps=10, eval_strategy="steps", eval_steps=5)
    assert count_evaluations(steps, config, 0) == 0


def test_an_evaluation_takes_as_long_as_its_tokens_did_when_measured() -> None:
    measured = made.timing(1.0, 1_000)
    assert evaluation_seconds(measured, step_time_of(measured, 0), 20_000, 90_000) == (pytest.approx(20.0), True)


def test_an_evaluation_that_was_not_measured_is_a_third_of_training() -> None:
    measured = made.timing(1.0, 1_000, evaluation_seconds=0.0, evaluation_loss_tokens=0)
    assert evaluation_seconds(measured, step_time_of(measured, 0), 100, 3_000) == (pytest.approx(1.0), False)
