"""A run of ours has come to its end where its model is that of its last training."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sanetune.curves.logs import metrics
from sanetune.curves.logs.ended import came_to_its_end
from sanetune.curves.logs.find import logs
from sanetune.runs import Run

LINES = "".join(json.dumps({"kind": "train", "step": step, "loss": 2.0 - 0.01 * step}) + "\n" for step in range(1, 41))
LOGGED = json.dumps({"log_history": [{"step": step, "loss": 2.0 - 0.01 * step} for step in range(1, 41)]})


def wrote(folder: Path, state: str, *, model: bool = True, newer: bool = False) -> Run:
    run = Run(folder)
    run.metrics.write_text(LINES)
    run.state.write_text(state)
    os.utime(run.state, (50, 50))
    if model:
        run.model.mkdir()
        (run.model / "config.json").write_text("{}")
        os.utime(run.model / "config.json", (60, 60) if newer else (40, 40))
    return run


@pytest.mark.parametrize(
    ("state", "model", "newer", "ended"),
    [
        ('{"phase": "finished", "total_steps": 160}', True, False, True),
        ('{"phase": "running", "total_steps": 160}', True, False, False),
        ('{"phase": "running", "total_steps": 160}', True, True, True),
        ('{"phase": "interrupted", "total_steps": 160}', True, True, False),
        ('{"phase": "finished", "total_steps": 160}', False, False, False),
        ("{}", True, False, True),
        ("no JSON", True, False, True),
    ],
)
def test_a_model_of_before_is_no_end_of_a_run_that_goes_on_for_longer(
    tmp_path: Path, state: str, model: bool, newer: bool, ended: bool
) -> None:
    run = wrote(tmp_path, state, model=model, newer=newer)
    assert came_to_its_end(run) is ended
    log = metrics.read(run.metrics)
    assert log.finished is ended and log.curve().finished is ended


def test_a_run_that_has_said_nothing_has_ended_with_its_model(tmp_path: Path) -> None:
    run = wrote(tmp_path, "{}")
    run.state.unlink()
    assert came_to_its_end(run)


def test_of_a_run_that_has_ended_the_end_of_a_cut_record_is_no_end_of_training(tmp_path: Path) -> None:
    run = wrote(tmp_path, '{"phase": "finished", "total_steps": 160}')
    run.metrics.write_text(LINES[:-10])
    log = metrics.read(run.metrics)
    assert log.is_truncated and not log.finished and not log.curve().ended
    assert any("is truncated: its" in note for note in log.notes)


def test_an_evaluation_that_the_record_lacks_is_noted(tmp_path: Path) -> None:
    run = wrote(tmp_path, '{"phase": "finished", "total_steps": 160}')
    run.outcome.write_text('{"step": 160}')
    log = metrics.read(run.metrics)
    assert log.is_truncated and log.notes == ("metrics.jsonl ends at step 40, and the run was evaluated at step 160.",)


def test_a_line_that_is_being_written_is_no_damage(tmp_path: Path) -> None:
    run = wrote(tmp_path, '{"phase": "running", "total_steps": 160}', model=False)
    run.metrics.write_text(LINES[:-10])
    assert not metrics.read(run.metrics).is_truncated


@pytest.mark.parametrize("damage", [b"", bytes(range(128, 255))])
def test_a_record_of_ours_that_is_no_longer_one_is_named_beside_what_is_read_instead(
    tmp_path: Path, damage: bytes
) -> None:
    run = wrote(tmp_path, '{"phase": "finished", "total_steps": 160}')
    run.metrics.write_bytes(damage)
    (tmp_path / "trainer_state.json").write_text(LOGGED)
    (log,) = logs(tmp_path)
    assert any(note.startswith("metrics.jsonl") and "trainer_state.json" in note for note in log.notes)
