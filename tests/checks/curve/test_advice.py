"""Advice fits what is known: no cause is named that a log cannot show, and nothing is asked for that is there."""

from __future__ import annotations

import math

from sanetune.curves.series import Curve
from tests.checks.curve_material import evaluations, found, points

FALLING = [3 - 1.5 * (1 - math.exp(-i / 40)) for i in range(200)]


def test_a_nan_that_has_passed_is_not_called_lasting_and_fp16_is_only_supposed() -> None:
    finding = found(Curve(points([*FALLING[:70], math.nan, *FALLING[71:]])))["nan"]
    assert "numbers again" in finding.message
    assert "a weight that becomes NaN" in finding.rationale and "is lost" in finding.rationale
    assert "where it was fp16" in finding.remedy and finding.remedy.startswith("Lower train.learning_rate")


def test_rows_for_validation_are_asked_for_only_where_there_are_none() -> None:
    losses = [2.0 - 0.3 * (i // 40) + 0.02 * (-1) ** i for i in range(160)]
    course = points(losses, epoch=[(i + 1) / 40 for i in range(160)])
    without = found(Curve(course))["staircase"]
    rising = found(Curve(course, evaluations([2.0, 2.1, 2.3, 2.6], 40)))["staircase"]
    assert "set rows aside" in without.remedy
    assert rising.remedy == "Train for fewer epochs or at a lower learning rate."
