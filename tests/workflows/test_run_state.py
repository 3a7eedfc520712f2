"""A run says in its folder whether it is under way, and how it ended."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from sanetune.errors import DataError
from sanetune.events import RunFinished, RunStarted, RunStopped
from sanetune.finding import GateError
from sanetune.runs import Run
from sanetune.workflows.run_state import LONGEST, StateFile, read_state


def started(run: Run, steps: int = 40) -> RunStarted:
    plan = cast(Any, SimpleNamespace(steps=SimpleNamespace(total_steps=steps)))
    return RunStarted(run, plan, cast(Any, None), None)


def after(folder: Path, error: BaseException | None) -> tuple[str, str]:
    run, follow = Run(folder), StateFile()
    follow(started(run))
    follow(RunStopped(run, error))
    state = read_state(run)
    assert state is not None and state.total_steps == 40
    return state.phase, state.reason


def test_a_run_under_way_names_its_process(tmp_path: Path) -> None:
    StateFile()(started(Run(tmp_path)))
    state = read_state(Run(tmp_path))
    assert state is not None and (state.phase, state.process) == ("running", os.getpid())
    assert state.is_alive


def test_another_process_with_the_same_id_is_not_it(tmp_path: Path) -> None:
    StateFile()(started(Run(tmp_path)))
    state = read_state(Run(tmp_path))
    assert state is not None
    assert replace(state, process_began=state.process_began - 60).is_alive is False
    assert replace(state, process=max(psutil.pids()) + 100_000).is_alive is False
    assert replace(state, process=-1).is_alive is False
    assert replace(state, host="elsewhere").is_alive is None


@pytest.mark.parametrize(
    ("error", "phase", "reason"),
    [
        (KeyboardInterrupt(), "interrupted", ""),
        (None, "interrupted", ""),
        (GateError("curve-nan: the loss is NaN"), "stopped", "curve-nan: the loss is NaN"),
        (DataError("no rows"), "failed", "no rows"),
        (RuntimeError("CUDA out\nof memory"), "failed", "RuntimeError: CUDA out of memory"),
    ],
)
def test_it_says_how_it_ended(tmp_path: Path, error: BaseException | None, phase: str, reason: str) -> None:
    assert after(tmp_path, error) == (phase, reason)


def test_a_long_reason_is_shortened(tmp_path: Path) -> None:
    assert len(after(tmp_path, ValueError("x" * 9_000))[1]) < LONGEST + 50


def test_a_finished_run_says_so(tmp_path: Path) -> None:
    run, follow = Run(tmp_path), StateFile()
    follow(started(run))
    follow(RunFinished(cast(Any, SimpleNamespace(run=run))))
    state = read_state(run)
    assert state is not None and state.phase == "running", "others may still write"
    follow.finish(RunFinished(cast(Any, SimpleNamespace(run=run))))
    state = read_state(run)
    assert state is not None and state.phase == "finished"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"phase": "dancing", "began": "", "changed": ""}', "\x00"])
def test_a_file_that_is_none_says_nothing(tmp_path: Path, content: str) -> None:
    Run(tmp_path).state.write_text(content)
    assert read_state(Run(tmp_path)) is None


def test_a_disk_that_takes_no_file_does_not_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    StateFile()(started(Run(tmp_path)))
    assert read_state(Run(tmp_path)) is None
