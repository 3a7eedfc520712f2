"""The learning rate that curve-diverged proposes is one that the run, or its model, can bear."""

from __future__ import annotations

from dataclasses import replace

from sanetune.curves.series import Curve
from sanetune.finding import Verdict
from tests.checks.curve_material import evaluations, found, points

CHECK = "diverged"
WARMUP = [0.0, 8e-3, 1.6e-2, 2.5e-2, 3.3e-2, 4.2e-2, *[5e-2] * 6]
SHOOTS_UP = Curve(
    points([6.0, 6.1, 6.0, 5.3, 9.0, 10.0, 14.0, 9.7, 12.0, 12.4, 12.1, 12.2], lr=WARMUP),
    evaluations([7.0, 11.5], 12),
    planned_lr=5e-2,
)
KEY = "train.learning_rate"


def test_of_a_known_model_it_proposes_what_is_inferred_for_it() -> None:
    finding = found(replace(SHOOTS_UP, usual_lr=4.3e-4))[CHECK]
    assert finding.verdict is Verdict.FAIL and finding.fix == {KEY: 4.3e-4}


def test_what_is_inferred_is_not_proposed_to_a_run_that_is_hardly_above_it() -> None:
    assert found(replace(SHOOTS_UP, planned_lr=5e-4, usual_lr=4.3e-4))[CHECK].fix[KEY] < 4.3e-4


def test_of_an_unknown_model_that_shoots_up_in_warm_up_it_goes_below_what_was_borne() -> None:
    assert found(SHOOTS_UP)[CHECK].fix == {KEY: 2.5e-3}


def test_a_first_loss_of_a_tiny_learning_rate_does_not_make_the_proposal_tiny() -> None:
    lowest_first = replace(SHOOTS_UP, points=points([5.0, *[one.loss for one in SHOOTS_UP.points[1:]]], lr=WARMUP))
    lowest_first.points[0] = replace(lowest_first.points[0], lr=1e-7)
    assert found(lowest_first)[CHECK].fix == {KEY: 5e-4}


def test_a_run_that_bears_its_warm_up_gets_a_tenth_of_its_peak() -> None:
    falls = [6.0, 5.9, 5.8, 5.7, 5.6, 5.5, 5.4, 9.7, 12.0, 12.4, 12.1, 12.2]
    assert found(replace(SHOOTS_UP, points=points(falls, lr=WARMUP)))[CHECK].fix == {KEY: 5e-3}


def test_a_loss_that_is_coming_down_again_is_not_said_to_be_beyond_repair() -> None:
    coming = [6.2, 5.9, 11.1, 15.6, 21.6, 23.8, 22.3, 21.7, 19.5, 17.5, 15.8, 13.2]
    finding = found(replace(SHOOTS_UP, points=points(coming, lr=WARMUP), validation=[]))[CHECK]
    assert finding.verdict is Verdict.FAIL and "do not repair" not in finding.rationale
