"""The rectified law is found again in curves that follow it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sanetune.forecast.rectified import fit
from tests.forecast.outcomes_made import law


@pytest.mark.parametrize(("end", "k", "beta"), [(1.0, 0.1, 1.0), (1.6, 0.3, 0.7), (0.8, 0.05, 1.4)])
def test_the_end_of_a_curve_that_follows_the_law_is_forecast_from_its_first_half(
    end: float, k: float, beta: float
) -> None:
    places = [number / 16 for number in range(9)]
    mean, deviation = fit(places, [law(one, 2.0, end, k, beta) for one in places]).at([1.0])
    true = math.log(law(1.0, 2.0, end, k, beta))
    assert abs(float(mean[0]) - true) < max(0.03, 2 * float(deviation[0]))


def test_a_curve_that_rises_is_forecast_to_end_higher() -> None:
    mean, _ = fit([0.0, 0.1, 0.2], [2.0, 2.2, 2.35]).at([1.0])
    assert math.exp(mean[0]) > 2.4


def test_training_losses_narrow_the_forecast_though_their_level_is_another() -> None:
    places = [0.0, 0.05, 0.1]
    evaluations = [law(one, 2.0, 1.0, 0.05) for one in places]
    training_places = [(number + 0.5) / 200 for number in range(20)]
    training = [3 * law(one, 2.0, 1.0, 0.05) for one in training_places]
    _, alone = fit(places, evaluations).at([1.0])
    _, together = fit(places, evaluations, training_places, training).at([1.0])
    assert together[0] < alone[0]


def test_the_weights_are_those_of_a_likelihood_computed_law_by_law() -> None:
    places, losses = [0.0, 0.1, 0.2, 0.3], [2.0, 1.7, 1.55, 1.5]
    found = fit(places, losses)
    expected = np.empty_like(found.weight)
    for i, k in enumerate(found.k):
        for j, beta in enumerate(found.beta):
            done = [1 - 1 / (1 + (place / k) ** beta) for place in places[1:]]
            weights = [1 / (0.015 * loss) ** 2 for loss in losses[1:]]
            fall = sum(w * d * (2.0 - loss) for w, d, loss in zip(weights, done, losses[1:], strict=True))
            fall /= sum(w * d * d for w, d in zip(weights, done, strict=True)) + 1.0
            fall = min(fall, 0.995 * 2.0)
            misfit = sum(w * (2.0 - fall * d - loss) ** 2 for w, d, loss in zip(weights, done, losses[1:], strict=True))
            expected[i, j] = -0.5 * (misfit + fall**2)
    expected = np.exp(expected - expected.max())
    assert found.weight == pytest.approx(expected / expected.sum(), abs=1e-9)


def test_training_losses_that_are_all_zero_say_nothing() -> None:
    places, losses = [0.0, 0.1, 0.2], [2.0, 0.1, 0.01]
    found = fit(places, losses, [number / 100 for number in range(20)], [0.0] * 20)
    assert found.weight == pytest.approx(fit(places, losses).weight)
