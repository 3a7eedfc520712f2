from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sanetune.curves.logs import metrics, wandb_run
from sanetune.engine import trackers
from sanetune.errors import ConfigError
from sanetune.runs import Run
from tests.engine.running import train


def test_an_unknown_tracker_is_named() -> None:
    with pytest.raises(ConfigError, match="'wandbb'"):
        trackers.check(["wandbb"])


def test_a_tracker_that_is_not_installed_says_which_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'sanetune\[wandb\]'"):
        trackers.check(["wandb"])


def test_tensorboard_writes_its_events_into_the_run(
    prepared: Any, config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    run = Run.create(tmp_path / "run")
    train(config(trackers=["tensorboard"], max_steps=2), prepared, run)
    events = EventAccumulator(str(run.tensorboard)).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2]
    assert [event.step for event in events.Scalars("eval/loss")] == [0, 2]


def test_wandb_offline_writes_its_run_into_the_run(
    prepared: Any, config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("WANDB_DIR", raising=False)
    run = Run.create(tmp_path / "run")
    try:
        train(config(trackers=["wandb"], max_steps=3), prepared, run)
    finally:
        wandb.finish()
        wandb.teardown()  # its process writes the rest of the file when it ends
    (file,) = run.path.glob("wandb/offline-run-*/*.wandb")
    stored, ours = wandb_run.read(file).curve(), metrics.curve(run.metrics)
    assert [(point.step, point.loss) for point in stored.points] == [(point.step, point.loss) for point in ours.points]
    assert [(one.step, one.loss) for one in stored.validation] == [(one.step, one.loss) for one in ours.validation]
