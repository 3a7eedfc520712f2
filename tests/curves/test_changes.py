"""Changes between evaluations are measured row by row; without rows, from the noise of batches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sanetune.curves import changes
from sanetune.curves.series import Curve, Evaluation, Point


def evaluated(step: int, losses: list[float], tokens: int = 10) -> Evaluation:
    return Evaluation.of(step, [loss * tokens for loss in losses], [tokens] * len(losses))


def points(losses: list[float]) -> list[Point]:
    return [Point(step, loss) for step, loss in enumerate(losses, 1)]


def test_rows_that_differ_much_and_move_alike_make_a_sure_change() -> None:
    found = changes.between(evaluated(0, [1, 5, 9, 3] * 2), evaluated(50, [0.9, 4.9, 8.9, 2.91] * 2))
    assert found.exact
    assert found.difference == pytest.approx(-0.0975)
    assert found.t < -20


def test_the_error_of_pairs_is_as_large_as_their_means_scatter() -> None:
    chance = np.random.default_rng(0)
    found = []
    for _ in range(300):
        tokens = [int(n) for n in chance.integers(5, 60, 60)]
        before, by = chance.uniform(1, 4, 60), -0.1 + 0.3 * chance.standard_normal(60)
        first = Evaluation.of(0, [float(b * n) for b, n in zip(before, tokens, strict=True)], tokens)
        last = Evaluation.of(9, [float((b + d) * n) for b, d, n in zip(before, by, tokens, strict=True)], tokens)
        found.append(changes.between(first, last))
    assert np.std([one.difference for one in found]) == pytest.approx(
        np.mean([one.std_error for one in found]), rel=0.15
    )


def test_fewer_than_eight_rows_are_not_paired() -> None:
    few, enough = (
        changes.between(*(Evaluation.of(step, [20.0 - step] * n, [10] * n) for step in (0, 5))) for n in (7, 8)
    )
    assert (few.exact, enough.exact) == (False, True) and few.difference == enough.difference == pytest.approx(-0.5)


def test_other_rows_are_not_paired() -> None:
    found = changes.between(evaluated(0, [1, 2]), evaluated(50, [1, 2, 3]), scatter=0.1)
    assert not found.exact
    assert found.std_error == pytest.approx(0.1 * math.sqrt(2))


def test_validation_rows_decide_before_the_fixed_batch_and_that_before_the_batches() -> None:
    validation, fixed_batch = (
        [evaluated(0, [3, 3]), evaluated(20, [2, 2])],
        [evaluated(0, [3, 3]), evaluated(20, [2.5, 2.5])],
    )
    batches = points([4.0] * 20)
    for curve, source, after in (
        (Curve(batches, validation, fixed_batch), changes.HELD_OUT, 2.0),
        (Curve(batches, [], fixed_batch), changes.FIXED_BATCH, 2.5),
        (Curve(batches), changes.TRAINING, 4.0),
    ):
        found = changes.overall(curve)
        assert found is not None
        assert (found.source, found.after) == (source, after)


def test_a_first_evaluation_in_the_middle_is_no_start() -> None:
    found = changes.overall(Curve(points([4.0] * 100), [evaluated(50, [3, 3]), evaluated(100, [2, 2])]))
    assert found is not None
    assert found.source == changes.TRAINING


def test_what_is_not_a_number_is_left_out() -> None:
    found = changes.overall(Curve(points([3.0, math.nan, 3.0, math.inf, 3.0, 3.0, 1e300])))
    assert found is not None
    assert found.difference == 0


def test_three_losses_are_too_few_to_say_anything() -> None:
    assert changes.overall(Curve(points([3.0, 2.0, 1.0]))) is None
    assert changes.overall(Curve()) is None


def test_the_lowest_level_is_found_again() -> None:
    found = changes.since_lowest(
        Curve(validation=[evaluated(0, [4, 4]), evaluated(50, [1, 1.2]), evaluated(99, [2, 2.1])])
    )
    assert found is not None
    assert found.steps == (50, 99)
    assert found.difference == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("lrs", "warmup", "peak"),
    [([1, 2, 3, 3, 2], None, 3), ([3, 3, 3], None, 0), ([1, 2, 3], 7, 7), ([3, 2, 1], None, 0)],
)
def test_the_end_of_warm_up_is_read_off_the_learning_rates(lrs: list[float], warmup: int | None, peak: int) -> None:
    series = [Point(step, 1.0, lr) for step, lr in enumerate(lrs, 1)]
    assert changes.peak_step(Curve(series, warmup_steps=warmup)) == peak


def test_a_run_is_complete_when_it_says_so_or_has_done_its_steps() -> None:
    assert changes.complete(Curve(points([1.0] * 10), total_steps=10))
    assert changes.complete(Curve(points([1.0]), finished=True))
    assert not changes.complete(Curve(points([1.0] * 10), total_steps=11))
    assert not changes.complete(Curve(points([1.0] * 10)))
