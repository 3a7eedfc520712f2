"""A step that a message names has the loss that it names, and a level says of how many losses it is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sanetune.curves.series import Curve
from tests.checks.curve_material import found, points

CALM = [float(2 + one) for one in np.random.default_rng(0).normal(0, 0.04, 200)]
SHOT_UP = [1.4, 3.3, 24.2, 26.4, 20.1, 16.3, 36.8, 24.6, 12.4, 9.9, *(7.5 + 0.1 * (i % 5) for i in range(50))]


def with_hump(hump: list[float], at: int) -> list[float]:
    return [*CALM[:at], *hump, *CALM[at + len(hump) :]]


@pytest.mark.parametrize(
    ("losses", "highest"),
    [
        (with_hump([6, 9, 14, 8, 5], 79), 82),
        (with_hump([14, 9, 8, 6, 5], 79), 80),
        (with_hump([5, 6, 7, 6, 5, 7, 12, 7, 6, 5, 6, 5], 79), 86),
        (SHOT_UP, 7),
    ],
)
def test_a_hump_is_one_spike_at_its_highest_loss_as_it_was_logged(losses: list[float], highest: int) -> None:
    finding = found(Curve(points(losses), source="log"))["spike"]
    assert finding.numbers["spikes"] == 1
    assert (finding.numbers["worst"]["step"], finding.numbers["worst"]["loss"]) == (highest, losses[highest - 1])
    assert f"1 spike, at step {highest}: {losses[highest - 1]:.3f}" in finding.message


def test_two_humps_apart_are_two_spikes() -> None:
    losses = with_hump([6, 9, 14, 8, 5], 79)
    losses[149:152] = [7, 11, 8]
    assert "2 spikes, the worst at step 82: 14.000" in found(Curve(points(losses), source="log"))["spike"].message


@pytest.mark.parametrize(
    "losses",
    [
        [4.31, 4.42, 4.33, 6.0, 8.0, 9.0, 9.1, 10.07, 9.0, 9.1, *([9.0, 9.2, 8.9, 9.95] * 5)],
        [4.31, 4.42, 4.33, 3.5, 3, 2.8, *([2.5, 2.4, 2.55, 2.6] * 5), 3, 4, 5, *([6.0, 6.1, 6.3, 6.2] * 6)],
        [4.31, 4.42, 4.33, 12.0, 16.0, 18.1, 20.07, 17.1, 12, 9, *([5.1, 4.9, 5.3] * 10)],
    ],
)
def test_a_level_in_a_message_says_that_it_is_a_median(losses: list[float]) -> None:
    message = found(Curve(points(losses), source="log"))["diverged"].message
    levels = re.findall(r"(\d+\.\d{3})(?: at step (\d+))?( \(median of the)?", message)
    assert len(levels) >= 2
    assert all(of or losses[int(step) - 1] == float(loss) for loss, step, of in levels), message
