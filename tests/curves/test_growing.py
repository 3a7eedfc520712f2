"""A growing curve keeps its last steps and all of it in blocks, whatever the run's length."""

from __future__ import annotations

import json
import math
import statistics

import pytest

from sanetune.curves.growing import BLOCKS, RECENT, GrowingCurve
from sanetune.curves.series import Curve, Evaluation, Point


def points(count: int) -> list[Point]:
    return [Point(step, 2.0 + math.sin(step), 1e-3, float(step), step / 100) for step in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 511, 599, 600, 601, 5_003])
def test_blocks_are_means_of_all_steps_in_bounded_memory(count: int) -> None:
    growing, made = GrowingCurve(Curve(source="watch")), points(count)
    for at in range(0, count, 7):
        growing.add(made[at : at + 7])
    recent, whole = growing.recent().points, growing.whole().points
    assert recent == made[-RECENT:]
    assert len(whole) <= BLOCKS and len(whole) == count // growing.width
    for number, block in enumerate(whole):
        steps = made[number * growing.width : (number + 1) * growing.width]
        assert block.step == steps[-1].step and block.grad_norm == steps[-1].grad_norm
        assert block.loss == pytest.approx(statistics.fmean(one.loss for one in steps))


def test_evaluations_of_the_last_steps_go_with_them() -> None:
    growing = GrowingCurve(Curve(steps_per_epoch=100.0, source="watch"))
    growing.evaluated(Evaluation(0, 3.0))
    growing.add(points(RECENT + 100))
    growing.evaluated(Evaluation(RECENT + 100, 2.5))
    assert [one.step for one in growing.recent().validation] == [RECENT + 100]
    assert [one.step for one in growing.whole().validation] == [0, RECENT + 100]
    assert growing.step == RECENT + 100 and growing.whole().steps_per_epoch == 100


def test_what_is_kept_survives_json_with_the_losses_of_rows() -> None:
    growing, again = GrowingCurve(Curve(source="watch")), GrowingCurve(Curve(source="watch"))
    growing.add(points(700))
    growing.evaluated(Evaluation.of(700, [3.0, 4.0], [2, 2]))
    again.restore(json.loads(json.dumps(growing.to_json())))
    assert again.whole() == growing.whole() and again.recent() == growing.recent()
    again.restore(growing.to_json() | {"evaluations": [[700, 1.75]]})  # of an earlier version
    assert again.evaluations == [Evaluation(700, 1.75)]


def test_a_loss_that_is_no_number_is_none_in_its_block() -> None:
    growing = GrowingCurve(Curve(source="watch"))
    growing.add([*points(BLOCKS - 1), Point(BLOCKS, math.nan)])
    assert growing.width == 2 and math.isnan(growing.whole().points[-1].loss)
