"""A few batches that are hard or easy by chance, at the start or the end of a log, are no divergence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from sanetune.checks.curve import diverged
from sanetune.curves.series import Curve, Point
from sanetune.finding import Verdict

LIMITS = {name: limit.value for name, limit in diverged.LIMITS.items()}


def verdict(losses: Sequence[float]) -> Verdict:
    curve = Curve([Point(step, float(loss)) for step, loss in enumerate(losses, 1)], total_steps=len(losses))
    return diverged.judge(diverged.measure(curve, LIMITS), LIMITS).verdict


STEADY = [1.93, 1.6, 1.22, 1.38, 1.46, 1.48, 1.4, 1.32, 1.55, 1.43, 1.36, 1.37, 1.22]


@pytest.mark.parametrize("times", [0.5, 1.0, 3.0])
def test_hard_batches_among_the_last_that_go_up_and_down_are_no_divergence(times: float) -> None:
    assert verdict([times * loss for loss in [*STEADY, 1.22, 1.88, 2.53, 1.05, 1.78]]) is Verdict.PASS


def test_last_losses_that_all_stay_high_are_one() -> None:
    assert verdict([*STEADY, 1.22, 1.88, 2.53, 2.35, 2.48, 2.41]) is Verdict.FAIL


def test_hard_batches_at_both_ends_of_a_short_log_are_no_rise() -> None:
    middle = [1.88, 1.84, 1.79, 1.65, 1.87, 1.79, 1.83, 1.74, 1.53]
    assert verdict([2.65, 1.58, 1.75, *middle, 1.52, 2.32, 2.9]) is Verdict.PASS


def _from_one_low(far: float) -> list[float]:
    """A loss of 2 nats after a first one of 0.6; one record in twelve is ``far`` times as low."""
    later = 2 * np.exp(0.2 * np.random.default_rng(0).standard_normal(180))
    return [0.6, *np.where(np.arange(180) % 12 == 11, later / far, later)]


def test_one_low_first_loss_of_a_log_in_which_others_are_as_low_is_no_start() -> None:
    assert verdict(_from_one_low(8.0)) is Verdict.PASS


def test_one_low_first_loss_of_a_log_without_such_others_is_the_start() -> None:
    assert verdict(_from_one_low(1.0)) is Verdict.FAIL
