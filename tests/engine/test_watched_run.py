"""A run that is watched keeps the checkpoints that it would have without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sanetune.curves.series import Evaluation, Point
from sanetune.engine.metrics import read
from sanetune.engine.registry import engine_of
from sanetune.engine.watcher import Course, TrackerText
from sanetune.events import silent
from sanetune.runs import Run
from tests.engine.conftest import resolved


class Content:
    """A watcher that finds nothing, and could end the run."""

    every, keeps, ahead = 1, True, None

    def begin(self, step: int) -> None: ...

    def before(self, rows: Sequence[int]) -> None: ...

    def steps(self, points: Sequence[Point]) -> Course:
        return Course.ON

    def evaluated(self, evaluation: Evaluation) -> Course:
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
