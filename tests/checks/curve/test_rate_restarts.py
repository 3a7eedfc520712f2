"""A learning rate that climbs after it has fallen is found, and a warm-up is not."""

from __future__ import annotations

import math

import pytest

from sanetune.checks.curve import rate_restarts
from sanetune.curves.series import Curve, Point
from sanetune.finding import Verdict

LIMITS = {name: limit.value for name, limit in rate_restarts.LIMITS.items()}


def verdict(lrs: list[float], every: int = 10) -> Verdict:
    curve = Curve([Point(1 + every * n, 1.0, lr) for n, lr in enumerate(lrs)])
    return rate_restarts.judge(rate_restarts.measure(curve, LIMITS), LIMITS).verdict


def cosine(steps: int, every: int) -> list[float]:
    """A warm-up over a tenth of the steps, then a cosine to 0, as it is logged."""
    warm = steps // 10
    lrs = [
        1e-3 * (step / warm if step < warm else 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (steps - warm)))
        for step in range(steps)
    ]
    return lrs[::every]


@pytest.mark.parametrize("every", [1, 5, 10, 20])
def test_a_warm_up_from_zero_is_no_restart_however_seldom_it_is_logged(every: int) -> None:
    assert verdict(cosine(200, every)) is Verdict.PASS


@pytest.mark.parametrize("every", [1, 5, 10])
def test_a_second_warm_up_is_one(every: int) -> None:
    assert verdict([*cosine(200, every), *cosine(200, every)]) is Verdict.WARN


@pytest.mark.parametrize("every", [1, 5])
def test_straight_falls_that_begin_anew_are_no_cosine_cycles(every: int) -> None:
    """A run that was continued with another one's schedule looks like two equal cycles, but for their shape."""
    straight = [1e-4 * (1 - step / 100) for step in range(101)][::every]
    assert verdict([*straight, *straight[:-1]]) is Verdict.WARN
    cycles = [0.5e-4 * (1 + math.cos(math.pi * (step % 100) / 100)) for step in range(200)][::every]
    assert verdict(cycles) is Verdict.PASS
