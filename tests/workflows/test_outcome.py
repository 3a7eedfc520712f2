"""``outcome.json`` follows the evaluations of a run, and the trial's forecast stands until the run knows more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from sanetune.engine.metrics import MetricsFile, Record
from sanetune.events import Event, RecordLogged, TrainingStarted
from sanetune.evidence.experiments import Experiments
from sanetune.forecast.outcome_of import forecast_outcome
from sanetune.runs import Run
from sanetune.workflows.outcome import OutcomeFile
from tests.forecast import made
from tests.forecast.outcomes_made import run as curve_of

STEPS = 300


def events(share: float) -> list[Event]:
    """A run's first ``share``, as its loop publishes it."""
    curve = curve_of(share, steps=STEPS)
    records = [Record(one.step, 0.0, 0.0, "train", one.loss, one.lr, 1.0) for one in curve.points]
    records += [Record(one.step, 0.0, 0.0, "validation", one.loss) for one in curve.validation]
    records.sort(key=lambda one: (one.step, one.kind))
    return [TrainingStarted(0, STEPS), *(RecordLogged(one) for one in records)]


def follower(folder: Path, experiments: Experiments | None = None) -> tuple[Run, OutcomeFile]:
    settings = made.config(
        train={
            "per_device_train_batch_size": 10,
            "gradient_accumulation_steps": 1,
            "learning_rate": 1e-4,
            "lr_scheduler_type": "constant_with_warmup",
            "warmup_steps": 0,
        }
    )
    run = Run(folder)
    return run, OutcomeFile(run, made.planned(settings, vocabulary=512), experiments or Experiments())


def written(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.outcome.read_text())
    return found


def test_the_file_has_the_forecast_of_the_evaluations_so_far(tmp_path: Path) -> None:
    run, follow = follower(tmp_path)
    for event in events(0.06):
        follow(event)
    assert not run.outcome.exists(), "two evaluations are no forecast"
    for event in events(0.5):
        follow(event)
    found = written(run)
    expected = forecast_outcome(replace(follow.curve), follow.lrs)
    assert (found["step"], found["total_steps"]) == (STEPS // 2, STEPS)
    assert found["median"] == expected.median
    assert found["earlier"]


def test_the_trials_forecast_stands_until_the_run_has_come_as_far(tmp_path: Path) -> None:
    trial = forecast_outcome(curve_of(0.3, steps=STEPS, end=1.0))
    run, follow = follower(tmp_path, Experiments(outcome=trial))
    for event in events(0.25):
        follow(event)
    assert written(run)["median"] == trial.median
    for event in events(0.4):
        follow(event)
    assert written(run)["step"] == round(0.4 * STEPS)


def test_a_run_is_judged_as_its_trial_was(tmp_path: Path) -> None:
    _, follow = follower(tmp_path)
    for event in events(0.06):
        follow(event)
    assert follow.curve.vocab_size == 512, "that of a tiny model, as its trial has it"


def test_a_resumed_run_goes_on_from_the_records_of_its_first_part(tmp_path: Path) -> None:
    whole, first = follower(tmp_path / "whole")
    for event in events(0.5):
        first(event)
    run, follow = follower(tmp_path / "resumed")
    run.path.mkdir()
    metrics = MetricsFile(run.metrics)
    # The file of a part that was stopped later than its last checkpoint, at step 75.
    for event in events(0.4):
        metrics(event)
    follow(TrainingStarted(75, STEPS))
    for event in events(0.5)[1:]:
        if isinstance(event, RecordLogged) and event.record.step > 75:
            follow(event)
    assert written(run)["median"] == written(whole)["median"]
