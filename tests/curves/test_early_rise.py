"""A rise from the first records on is told from batches that were easy by chance."""

from __future__ import annotations

import numpy as np
import pytest

from sanetune.curves.early_rise import EARLY_SURE, early_rise
from sanetune.curves.series import Curve
from tests.checks.curve_material import bad, points


def noisy(levels: list[float], seed: int, scatter: float = 0.2) -> list[float]:
    noise = np.random.default_rng(seed).normal(0, scatter, len(levels))
    return [float(level * np.exp(one)) for level, one in zip(levels, noise, strict=True)]


HOT = [2.5, 4.0, 5.5, 6.5, 6.5, 6.0, 5.5, 5.2, 5.0, 4.9, *([4.6] * 60)]
OVER = [9.0, 14.0, 19.0, 20.0, 19.0, 17.0, 14.0, 10.0, 7.0, 6.0, *([4.6] * 60)]


def test_a_healthy_run_rises_by_so_little_in_hardly_any_order_of_batches() -> None:
    healthy = [2.5, 2.6, 2.7, 2.8, *([2.8] * 30), *([2.5] * 40)]
    rises = [early_rise(Curve(points(noisy(healthy, seed)))) for seed in range(300)]
    assert sum(one is not None and one.sure >= EARLY_SURE and one.times >= 1.5 for one in rises) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_shoots_up_and_stays_above_its_start_has_diverged(seed: int) -> None:
    assert "diverged" in bad(Curve(points(noisy(HOT, seed, 0.1)), finished=True, source="log"))


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_shoots_up_and_comes_back_has_a_spike(seed: int) -> None:
    curve = Curve(points(noisy(OVER, seed, 0.1)), finished=True, source="log", vocab_size=50_000)
    assert "spike" in bad(curve) and "diverged" not in bad(curve)


def test_few_records_tell_nothing() -> None:
    assert early_rise(Curve(points([2.0, 9.0, 9.0]))) is None
