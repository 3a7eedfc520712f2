"""A run publishes what happens, from its rows to its end; followers write its curves and its model card."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.demo import MODEL, TRAIN
from sanetune.errors import ConfigError, RunError
from sanetune.events import Event, RecordLogged, RunFinished, RunStopped, StepFinished, to_all
from sanetune.report import plots
from sanetune.report.lowest import lowest_evaluation
from sanetune.report.run_files import RunFiles
from sanetune.workflows.train import train
from tests.test_run_lock import another

pytestmark = pytest.mark.usefixtures("one_thread", "short_answers")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    rows = TRAIN.read_text().splitlines(keepends=True)[:40]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    return load(
        {
            "model": {"name": str(MODEL)},
            "data": {"train": str(tmp_path / "rows.jsonl")},
            "train": {"max_steps": 2, "per_device_train_batch_size": 2, "logging_steps": 1, "eval_steps": 1},
            "run": {"output_dir": str(tmp_path / "run"), "trackers": []},
        }
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The marked step of each drawing."""
    steps: list[int | None] = []
    monkeypatch.setattr(plots, "draw", lambda records, folder, lowest_step=None: steps.append(lowest_step))
    return steps


def test_a_run_publishes_each_part_in_its_order(config: Config, drawn: list[int | None]) -> None:
    events: list[Event] = []
    result = train(config, publish=to_all(RunFiles(), events.append))
    assert [name for name, _ in groupby(type(event).__name__ for event in events)] == [
        "PreparationStarted",
        "RowsProcessed",
        "PreparationEnded",
        "RunStarted",
        "TrainingStarted",
        "RecordLogged",
        "StepFinished",
        "RecordLogged",
        "StepFinished",
        "RecordLogged",
        "TrainingEnded",
        "RunFinished",
    ]
    records = [event.record for event in events if isinstance(event, RecordLogged)]
    assert records == result.outcome.records
    assert [event.step for event in events if isinstance(event, StepFinished)] == [1, 2]
    assert events[-1] == RunFinished(result)
    lowest = lowest_evaluation(result.outcome)
    assert lowest is not None and drawn == [lowest[0]]
    assert "generation" in (result.run.model / "README.md").read_text()


def test_a_run_that_is_stopped_says_so_and_has_its_curves(config: Config, drawn: list[int | None]) -> None:
    events: list[Event] = []

    def stop(event: Event) -> None:
        if isinstance(event, StepFinished):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, publish=to_all(RunFiles(), events.append, stop))
    assert [type(event).__name__ for event in events[-2:]] == ["TrainingEnded", "RunStopped"]
    assert isinstance(events[-1], RunStopped) and not events[-1].run.finished
    assert drawn == [None]


def test_a_tracker_without_its_package_is_refused_before_a_row_is_read(config: Config) -> None:
    events: list[Event] = []
    missing = config.model_copy(update={"run": config.run.model_copy(update={"trackers": ["clearml"]})})
    with pytest.raises(ConfigError, match="clearml is not installed"):
        train(missing, publish=events.append)
    assert not events


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_in_which_another_process_trains_is_refused_before_its_rows_are_prepared(
    config: Config, resume: bool
) -> None:
    assert config.run.output_dir is not None
    events: list[Event] = []
    with another(config.run.output_dir) as first, pytest.raises(RunError, match=f"Process {first.pid}") as caught:
        train(config, resume=resume, publish=events.append)
    assert not events and "--resume" not in str(caught.value)
