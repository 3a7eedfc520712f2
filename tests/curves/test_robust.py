"""Levels, noise, swings and slopes of noisy rows of numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sanetune.curves import robust


def test_noise_is_read_off_around_a_trend() -> None:
    chance = np.random.default_rng(0)
    values = list(np.linspace(5, 1, 400) + 0.25 * chance.standard_normal(400))
    assert robust.noise(values) == pytest.approx(0.25, rel=0.15)


def test_noise_heeds_no_outliers() -> None:
    values = [2.0 + 0.01 * (i % 2) for i in range(40)]
    values[20] = 50.0
    assert robust.noise(values) < 0.05


def test_a_line_has_no_noise_and_two_numbers_none_that_can_be_seen() -> None:
    assert robust.noise([3.0, 2.0, 1.0]) == pytest.approx(0)
    assert robust.noise([3.0, 1.0]) == 0


def test_the_error_of_a_level_is_as_large_as_levels_scatter() -> None:
    chance = np.random.default_rng(1)
    found = [robust.level(list(row), 1.0) for row in chance.standard_normal((300, 25))]
    scatter = np.std([one.value for one in found])
    assert scatter == pytest.approx(np.mean([one.std_error for one in found]), rel=0.2)


def test_neighbours_that_are_alike_make_a_level_less_sure() -> None:
    blocks = [float(block % 2) for block in range(8) for _ in range(8)]
    assert robust.level(blocks, robust.noise(blocks)).std_error > 0.1


def test_the_error_of_a_clipped_level_is_as_large_as_they_scatter_and_smaller_than_a_medians() -> None:
    rows = np.random.default_rng(1).standard_normal((300, 100))
    clipped, medians = ([kind(list(row), 1.0) for row in rows] for kind in (robust.clipped_level, robust.level))
    scatter = np.std([one.value for one in clipped])
    assert scatter == pytest.approx(np.mean([one.std_error for one in clipped]), rel=0.2)
    assert scatter < 0.9 * np.std([one.value for one in medians])


def test_an_outlier_moves_a_clipped_level_by_the_clip_at_most() -> None:
    values = [2.0] * 50 + [2.01] * 49
    assert robust.clipped_level([*values, 1e6], 0.1).value - robust.clipped_level([*values, 2.0], 0.1).value < 0.01


def test_no_numbers_have_no_level() -> None:
    assert math.isnan(robust.level([], 1.0).value)
    assert robust.level([], 1.0).std_error == math.inf


@pytest.mark.parametrize(
    ("values", "heights"),
    [
        ([3, 2, 1], []),
        ([3, 1, 2, 1], [1]),
        ([3, 1, 2, 1, 3, 2.9], [1, 2]),
        ([1, 1.4, 1, 1.4], []),
        ([2, 1, 2], [1]),
        ([], []),
    ],
)
def test_swings_are_rises_between_lows(values: list[float], heights: list[float]) -> None:
    assert robust.swings(values, 0.5) == pytest.approx(heights)


def test_a_slope_is_found_and_its_error_covers_it() -> None:
    chance = np.random.default_rng(2)
    wrong = 0
    for _ in range(200):
        steps = list(range(40))
        slope, error = robust.slope(steps, list(5 - 0.02 * np.arange(40) + 0.2 * chance.standard_normal(40)))
        wrong += abs(slope + 0.02) > 3 * error
    assert wrong <= 6


def test_steps_that_are_one_have_no_slope() -> None:
    assert robust.slope([5] * 8, [1.0] * 8) == (0.0, math.inf)
