"""A run that is watched keeps the checkpoints that it would have without."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.curves.series import Evaluation, Point
from sanetune.engine.batches import collate_for
from sanetune.engine.loss import measure
from sanetune.engine.metrics import curve_of, read
from sanetune.engine.registry import engine_of
from sanetune.engine.watcher import Course, TrackerText
from sanetune.events import silent
from sanetune.runs import Run
from tests.engine.conftest import resolved


class Content:
    """A watcher that finds nothing, and could end the run."""

    every, keeps, ahead = 1, True, None
    evaluated_sets: dict[str, Evaluation]

    def begin(self, step: int) -> None: ...

    def before(self, rows: Sequence[int]) -> None: ...

    def steps(self, points: Sequence[Point]) -> Course:
        return Course.ON

    def evaluated(self, evaluation: Evaluation, sets: Mapping[str, Evaluation]) -> Course:
        self.evaluated_sets = dict(sets)
        return Course.ON

    def texts(self) -> list[TrackerText]:
        return []

    def kept(self, step: int | None) -> None: ...


@pytest.mark.parametrize("engine", ["trl", "accelerate"])
def test_with_save_strategy_best_each_lowest_validation_loss_has_its_checkpoint(
    engine: str, base: Path, prepared: Any, tmp_path: Path
) -> None:
    config = resolved(base, engine=engine, save_strategy="best", load_best_model_at_end=False)
    run = Run.create(tmp_path / "run")
    outcome = engine_of(config).build(config, prepared, run).train(silent, Content())
    made = [(one.step, one.loss) for one in read(run.metrics) if one.kind == "validation" and one.step]
    lowest = [step for k, (step, loss) in enumerate(made) if all(loss < before for _, before in made[:k])]
    assert lowest and list(run.steps_saved) == lowest
    assert (outcome.best_step, outcome.best_validation_loss) == min(made, key=lambda one: one[1])


@pytest.mark.parametrize("engine", ["trl", "accelerate"])
def test_each_source_of_validation_rows_has_a_loss_of_its_own(
    engine: str, base: Path, prepared: Any, tmp_path: Path
) -> None:
    sets = {"math": [0, 1, 2], "code": [3, 4, 5, 6, 7]}
    data = SimpleNamespace(**{**vars(prepared), "validation_sets": sets})
    run, watcher = Run.create(tmp_path / "run"), Content()
    session = engine_of(config := resolved(base, engine=engine, max_steps=2)).build(config, data, run)
    collate, model = collate_for(prepared.tokenizer.pad_token_id, ""), copy.deepcopy(session.model)
    whole = measure(model, prepared.validation, collate).loss
    alone = {name: measure(model, prepared.validation.select(rows), collate).loss for name, rows in sets.items()}
    outcome = session.train(silent, watcher)
    first = next(one for one in read(run.metrics) if one.kind == "validation")
    assert first.step == 0 and first.loss == pytest.approx(whole, rel=1e-5)
    assert first.losses == pytest.approx(alone, rel=1e-5)
    assert watcher.evaluated_sets.keys() == {"eval_math_loss", "eval_code_loss"}
    curve = curve_of(outcome.records)
    assert curve.validation_name == "eval_loss" and [one.step for one in curve.sets["eval_math_loss"]] == [0, 2]
