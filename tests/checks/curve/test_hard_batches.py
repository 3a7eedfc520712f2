"""Batches of a few strange rows scatter as ratios do, and the hard ones among them are no spikes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sanetune.checks.curve import spike
from sanetune.curves.scale import LARGEST_VOCABULARY
from sanetune.curves.series import Curve, Point
from sanetune.finding import Verdict

LIMITS = {name: limit.value for name, limit in spike.LIMITS.items()}


def verdict(losses: np.ndarray) -> Verdict:
    curve = Curve([Point(step, float(loss)) for step, loss in enumerate(losses, 1)], total_steps=len(losses))
    return spike.judge(spike.measure(curve, LIMITS), LIMITS).verdict


MOST = math.log(LARGEST_VOCABULARY)
"""Nats that a text costs at most, here: those of guessing."""


def scattered(seed: int, deviation: float, count: int = 120) -> np.ndarray:
    """Losses about 0.4 nats whose logarithms have this standard deviation, up to what a text costs."""
    return np.minimum(0.4 * np.exp(deviation * np.random.default_rng(seed).standard_normal(count)), MOST)


@pytest.mark.parametrize("deviation", [0.1, 0.6, 0.9, 1.2])
def test_batches_that_scatter_by_a_factor_are_no_spikes(deviation: float) -> None:
    assert [seed for seed in range(40) if verdict(scattered(seed, deviation)) is not Verdict.PASS] == []


@pytest.mark.parametrize("deviation", [0.1, 0.3, 0.6])
def test_batches_far_outside_that_scatter_are_spikes(deviation: float) -> None:
    missed = []
    for seed in range(20):
        losses = scattered(seed, deviation)
        losses[60:63] = 0.4 * np.exp(np.log(3) + 6 * deviation)
        missed += [seed] if verdict(losses) is Verdict.PASS else []
    assert missed == []


def test_a_batch_that_costs_more_than_any_text_and_is_outside_a_wide_scatter_is_a_spike() -> None:
    missed = []
    for seed in range(20):
        losses = scattered(seed, 1.2)
        losses[60] = 25 * MOST
        missed += [seed] if verdict(losses) is Verdict.PASS else []
    assert missed == []
