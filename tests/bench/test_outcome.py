"""The bench of outcomes: its runs cover what they say, and the package's calibration is that of its table."""

from __future__ import annotations

import math

from bench.outcome.cases import FAULTS, MODELS, cases
from bench.outcome.fitting import fitted, seen
from bench.outcome.rows import DATA
from bench.outcome.table import WholeRun, failure, read
from sanetune.forecast.outcome_calibration import calibration
from sanetune.typed_json import from_json, to_json


def test_every_model_meets_every_data_set_and_learning_rates_span_three_decades() -> None:
    some = cases()
    assert len({one.name for one in some}) == len(some) >= 400
    assert {(one.model, one.data) for one in some} == {(model, data) for model in MODELS for data in DATA}
    for model in MODELS:
        lrs = [one.lr for one in some if one.model == model and not one.fault]
        assert max(lrs) / min(lrs) > 1_000
    assert {one.fault for one in some} == {"", *FAULTS}


def test_the_calibration_of_the_package_is_what_the_table_gives() -> None:
    runs = read()
    again, stored = fitted(seen(runs)), calibration()
    assert from_json(type(stored), to_json(again)).centre.weights == stored.centre.weights
    assert math.isclose(again.fails, stored.fails, rel_tol=1e-6) and again.runs == stored.runs == len(runs)


def whole(losses: list[float]) -> WholeRun:
    evaluations = [[step, loss, None] for step, loss in enumerate(losses)]
    return WholeRun({"steps": len(losses) - 1, "evaluations": evaluations})


def test_how_a_run_failed_is_read_from_its_real_end() -> None:
    assert failure(whole([2.0, 1.6, 1.5]), None) == ""
    assert failure(whole([2.0, 1.6, 1.5]), 1.4) == "beaten by a short run"
    assert failure(whole([2.0, 1.5, 1.6]), None) == "above its own lowest"
    assert failure(whole([2.0, 1.99, 1.98]), None) == "not better than the base"
    assert failure(whole([2.0, 1.5, math.nan]), None) == "no number"
