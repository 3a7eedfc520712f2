"""The line search over learning rates ends near the lowest point, wherever the prior expected it."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sanetune.workflows.sweep.lr_prior import NEAR, LearningRatePrior, next_lr, prior_of

powers = st.floats(-6, -1)


def search(prior: LearningRatePrior, best: float, trials: int, diverges: float) -> dict[float, float]:
    """A search of ``trials`` trials in a valley around ``best``, which explodes from ``diverges`` on."""
    losses: dict[float, float] = {}
    for _ in range(trials):
        lr = next_lr(prior, losses)
        if lr is None:
            break
        losses[lr] = math.inf if lr >= diverges else 1 + 0.3 * math.log10(lr / best) ** 2
    return losses


@given(best=st.floats(-5.5, -1.5), expected=st.floats(-1.0, 1.0), spread=st.floats(0.25, 0.7))
def test_ten_trials_end_within_a_quarter_of_a_decade(best: float, expected: float, spread: float) -> None:
    prior = LearningRatePrior(10 ** min(max(best + expected, -6.0), -1.0), spread, 1e-6, 1e-1)
    losses = search(prior, 10**best, 10, math.inf)
    found = min(losses, key=lambda lr: losses[lr])
    assert abs(math.log10(found) - best) < 0.25


@given(best=st.floats(-5.0, -2.0), room=st.floats(0.1, 1.0), expected=st.floats(-1.0, 1.5))
def test_learning_rates_that_explode_only_say_on_which_side_the_best_is(
    best: float, room: float, expected: float
) -> None:
    prior = LearningRatePrior(10 ** min(best + expected, -1.0), 0.4, 1e-7, 1.0)
    losses = search(prior, 10**best, 12, 10 ** (best + room))
    found = min(losses, key=lambda lr: losses[lr])
    assert abs(math.log10(found) - best) < 0.35


@given(st.dictionaries(powers, st.floats(0.1, 10) | st.just(math.nan) | st.just(math.inf), max_size=8), powers)
def test_it_never_leaves_the_range_nor_tries_one_again(tried: dict[float, float], middle: float) -> None:
    prior = LearningRatePrior(10**middle, 0.4, 1e-6, 1e-1)
    losses = {10**power: loss for power, loss in tried.items()}
    found = next_lr(prior, losses)
    if found is not None:
        assert prior.low <= found <= prior.high
        assert not any(1 / NEAR < found / one < NEAR for one in losses)


def test_the_prior_stays_in_the_range_that_was_given() -> None:
    assert prior_of(1.0, False, 1e-6, 1e-3).middle == 1e-3
    assert prior_of(1e-9, True, 1e-6, 1e-3).middle == 1e-6
    open_range = prior_of(1e-2, False)
    assert open_range.low < open_range.middle < 1e-2 < open_range.high
