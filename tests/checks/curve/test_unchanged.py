"""Evaluations that are equal to the last digit say that nothing moves, unless little could."""

from __future__ import annotations

import pytest

from sanetune.curves.digits import digits_of
from sanetune.curves.series import Curve, Evaluation
from sanetune.finding import Verdict
from tests.checks.curve_material import found, points

SCATTERED = [2.5 + 0.4 * (-1) ** (step // 2) for step in range(100)]


def curve(losses: list[float], lr: float | list[float] = 1e-4, every: int = 20) -> Curve:
    evaluations = [Evaluation(every * i, loss) for i, loss in enumerate(losses)]
    return Curve(points(SCATTERED, lr=lr), evaluations, total_steps=100, finished=True, source="log")


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ([2.52107] * 6, "fail"),
        ([2.6, 2.55, 2.52107, 2.52107, 2.52107, 2.52107], "fail"),
        ([2.6, 2.55, 2.54, 2.53, 2.52107, 2.52107], "pass"),  # the best one, evaluated again at the end
        ([2.6, 2.55, 2.54, 2.53, 2.52107, 2.52106], "pass"),
        ([2.52, 2.52, 2.52, 2.52], "skip"),  # two decimals
        ([2.515625] * 4, "skip"),  # bf16
        ([2.52107, 2.52107], "skip"),
    ],
)
def test_three_equal_evaluations_in_a_row_fail(losses: list[float], verdict: str) -> None:
    assert found(curve(losses))["unchanged"].verdict.value == verdict


@pytest.mark.parametrize(("last", "verdict"), [(False, "fail"), (True, "pass")])
def test_of_single_rows_two_are_enough_where_steps_follow(last: bool, verdict: str) -> None:
    rows = [[41.23456, 10.87654, 30.12345], [40.23456, 11.87654, 29.12345], [39.23456, 12.87654, 28.12345]]
    order = [0, 1, 2, 2] if last else [0, 1, 1, 2]
    evaluations = [Evaluation.of(33 * i, rows[row], [16, 16, 16]) for i, row in enumerate(order)]
    losses = Curve(points(SCATTERED[:99], lr=1e-4), evaluations, total_steps=99, finished=True)
    assert found(losses)["unchanged"].verdict.value == verdict


EXACT = [2.6123456789, 2.5512345678, 2.5512345678, 2.5012345678]


@pytest.mark.parametrize(
    ("losses", "every", "verdict"),
    [
        (EXACT, 20, "fail"),
        ([2.6123456789, 2.55, 2.55, 2.5012345678], 20, "pass"),  # round ones
        (EXACT, 5, "pass"),  # too soon: the scaler may have skipped these steps
        ([round(loss, 5) for loss in EXACT], 20, "pass"),  # chance
        ([*EXACT[:2], EXACT[3], EXACT[3]], 34, "pass"),  # the last one: the best may have been loaded again
    ],
)
def test_of_losses_with_all_digits_two_are_enough_ten_steps_apart(
    losses: list[float], every: int, verdict: str
) -> None:
    assert found(curve(losses, every=every))["unchanged"].verdict.value == verdict


def test_evaluations_of_one_step_are_none_of_a_model_that_stands_still() -> None:
    again = [Evaluation(0, 2.5512345678) for _ in range(4)]
    assert found(Curve(points(SCATTERED), again, source="log"))["unchanged"].verdict is Verdict.PASS


def test_at_the_end_of_a_schedule_little_moves() -> None:
    down = [1e-4 * max(0.0, 1 - step / 41) for step in range(100)]
    one = found(curve([2.6, 2.55, 2.52107, 2.52107, 2.52107, 2.52107], lr=down))["unchanged"]
    assert one.verdict is Verdict.PASS and "learning rate was" in one.message


def test_the_message_names_the_steps_and_the_loss() -> None:
    message = found(curve([2.6, 2.55, 2.52107, 2.52107, 2.52107, 2.5]))["unchanged"].message
    assert "from step 40 to 80" in message and "2.52107" in message


@pytest.mark.parametrize(
    ("losses", "digits"),
    [([0.5, 2.25], 3), ([1.23456], 6), ([1e-7], 1), ([], 0), ([float(2**60)], 3), ([1.0009765625], 4), ([3e300], 1)],
)
def test_digits_are_those_of_the_format_that_a_loss_was_computed_in(losses: list[float], digits: int) -> None:
    assert digits_of(losses) == digits
