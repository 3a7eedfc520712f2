"""The bench of outcomes: its runs cover what they say, and the package's calibration is that of its table."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.outcome import public
from bench.outcome.bounds import bounds
from bench.outcome.cases import FAULTS, LONG_DATA, MODELS, TRIAL, cases, long_cases
from bench.outcome.fitting import USUAL, fitted, seen_of_all, without
from bench.outcome.rows import DATA
from bench.outcome.table import WholeRun, failure, read
from sanetune.forecast.outcome_calibration import Calibration, calibrations
from sanetune.typed_json import from_json, to_json


def test_every_model_meets_every_data_set_and_learning_rates_span_three_decades() -> None:
    some = cases()
    assert len({one.name for one in some}) == len(some) >= 400
    assert {(one.model, one.data) for one in some} == {(model, data) for model in MODELS for data in DATA}
    for model in MODELS:
        lrs = [one.lr for one in some if one.model == model and not one.fault]
        assert max(lrs) / min(lrs) > 1_000
    assert {one.fault for one in some} == {"", *FAULTS}


@pytest.mark.parametrize("kind", ["tiny", "usual"])
def test_the_calibrations_of_the_package_are_what_the_tables_give(kind: str) -> None:
    logs = public.with_losses_to_reach(public.seen(public.read()))
    again = fitted(logs, USUAL) if kind == "usual" else fitted(seen_of_all(read()))
    stored: Calibration = getattr(calibrations(), kind)
    assert from_json(Calibration, to_json(again)).spread.weights == stored.spread.weights
    stages = [[(one.share, *one.quantiles, one.on_track, one.fails) for one in each.stages] for each in (again, stored)]
    assert np.allclose(*stages, rtol=1e-6) and again.runs == stored.runs


def test_no_public_run_is_judged_by_a_fit_to_itself() -> None:
    runs = public.read()
    assert len(runs) > 60 and len({run.name for run in runs}) == len(runs)
    parts = {run.setup[1] for run in runs}
    assert len(parts) == public.PARTS
    some = public.seen(runs)
    assert all(one.run.setup[1] != "part 1" for one in without(some, "part 1"))
    for one in some:
        known = one.run.first(one.stage).validation
        # The base, which is stood for, and three real ones, none of them later than the stage.
        assert len(known) > public.KNOWN and known[-1].step <= one.stage * one.run.steps + 0.5


def test_long_runs_are_told_of_by_a_trial_of_the_usual_length() -> None:
    some = long_cases()
    assert {(one.model, one.data) for one in some} == {(model, data) for model in MODELS for data in LONG_DATA}
    assert min(one.steps for one in some) >= 2 * TRIAL
    kept = [run for run in read() if run.is_long]
    assert len(kept) > 100
    for run in kept[::10]:
        assert [one.step for one in run.first(0).validation] == [0, 50, 100, 150, 200]


def whole(losses: list[float]) -> WholeRun:
    evaluations = [[step, loss, None] for step, loss in enumerate(losses)]
    return WholeRun({"steps": len(losses) - 1, "evaluations": evaluations})


def on_the_law(noise: float, runs: int = 12) -> list[WholeRun]:
    """Runs of a constant learning rate on laws of one family, with evaluations each twelfth of the way."""
    chance = np.random.default_rng(3)
    found = []
    for _ in range(runs):
        end, k = chance.uniform(1.0, 1.5), chance.uniform(0.05, 0.3)
        losses = [end + (3 - end) / (1 + place / 12 / k) for place in range(13)]
        noisy = [losses[0], *(loss * math.exp(chance.normal(0, noise)) for loss in losses[1:])]
        evaluations = [[10 * place, loss, 0.1] for place, loss in enumerate(noisy)]
        row = {"lr": 1e-3, "scheduler": "constant", "warmup": 0.0, "rows": 480, "batch": 4, "losses": [2.0] * 120}
        found.append(WholeRun({"steps": 120, "evaluations": evaluations, **row}))
    return found


def test_bounds_of_runs_on_the_law_are_those_of_noise_alone() -> None:
    exact, noisy = (bounds(on_the_law(noise), (0.25, 0.67)) for noise in (0.0, 0.02))
    # The grid of laws is coarse, and a bend counts as unrest, so that even exact runs are met to a percent only.
    assert exact[1]["shape_known"] < 0.02 and exact[1]["exact"] < 0.01 and exact[1]["noisy"] < 0.02
    assert exact[0]["unrest"] < 0.01 < noisy[0]["unrest"] < 0.04
    assert noisy[0]["noisy"] > noisy[1]["noisy"] > exact[1]["noisy"]
    assert noisy[0]["runs"] == 12


def test_a_run_that_leaves_its_law_is_further_off_than_simulated_ones() -> None:
    turned = on_the_law(0.002)
    for run in turned:
        for late in run.row["evaluations"][8:]:
            late[1] *= 1.3
    (found,) = bounds(turned, (0.5,))
    assert found["real"] > 0.15 > found["noisy"]


def test_how_a_run_failed_is_read_from_its_real_end() -> None:
    assert failure(whole([2.0, 1.6, 1.5]), None) == ""
    assert failure(whole([2.0, 1.6, 1.5]), 1.4) == "beaten by a short run"
    assert failure(whole([2.0, 1.5, 1.6]), None) == "above its own lowest"
    assert failure(whole([2.0, 1.99, 1.98]), None) == "not better than the base"
    assert failure(whole([2.0, 1.5, math.nan]), None) == "no number"
