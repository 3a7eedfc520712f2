"""Losses that are no numbers come from the step whose gradients were none, which is the one before."""

from __future__ import annotations

import math

import pytest

from sanetune.checks.curve.nan import at
from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.finding import Finding, Measurement, Verdict
from sanetune.gate.watch import Watch, live_checks
from tests.checks.curve_material import found

FIRST = 51
"""The first step whose loss is no number."""


def broken(norms: dict[int, float], *, hidden: bool = False) -> list[Point]:
    """A run whose weights are no numbers from step 51 on, as its loss shows, or its trainer hides."""
    return [
        Point(
            step, 2.0 if step < FIRST or hidden else math.nan, 1e-4, norms.get(step, 1.0 if step < FIRST else math.nan)
        )
        for step in range(1, 71)
    ]


def guilty(finding: Finding) -> int | None:
    return at(Measurement(finding.numbers))


@pytest.mark.parametrize(
    ("norms", "step"),
    [
        ({50: math.nan}, 50),  # its gradients break the weights, the loss of step 51 shows it
        ({49: math.inf, 50: math.nan}, 49),
        ({40: math.nan}, 51),  # skipped by fp16's scaler, and sound steps after it
        ({}, 51),
    ],
)
def test_the_step_whose_gradients_broke_the_weights_is_the_one_at_fault(norms: dict[int, float], step: int) -> None:
    finding = found(Curve(broken(norms)))["nan"]
    assert finding.verdict is Verdict.FAIL and "first at step 51" in finding.message
    assert guilty(finding) == step
    assert (f"gradient norms from step {step} on" in finding.message) == (step < FIRST)


def test_of_losses_that_a_trainer_hides_the_gradients_before_the_evaluation_tell_the_step() -> None:
    finding = found(Curve(broken({50: math.nan}, hidden=True), [Evaluation(20, 2.0), Evaluation(60, math.nan)]))["nan"]
    assert finding.verdict is Verdict.FAIL and guilty(finding) == 50


def test_the_watch_names_the_rows_of_the_step_at_fault() -> None:
    watch = Watch(Curve(total_steps=1000), live_checks())
    points = broken({50: math.nan})
    live = [one for first in range(0, 70, 5) for one in watch.steps(points[first : first + 5])]
    assert {one.at for one in live if one.finding.check == "curve-nan"} == {50}
