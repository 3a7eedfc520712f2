"""A run whose model is asked for before it is there."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil
import pytest

from sanetune.errors import RunError
from sanetune.gate.watch_report import Ended, WatchReport
from sanetune.runs import Run
from sanetune.typed_json import to_json
from sanetune.workflows.compare import open_run
from sanetune.workflows.run_state import RunState


def refused(run: Run) -> RunError:
    with pytest.raises(RunError) as caught:
        open_run(run.path)
    return caught.value


def test_a_run_that_still_trains_is_waited_for_and_not_resumed(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    began = psutil.Process(os.getpid()).create_time()
    for process, words in ((os.getpid(), "--live"), (2**22 + 1, "sanetune train CONFIG`")):
        state = RunState("running", "", "", 9, process=process, process_began=began, host=platform.node())
        run.write_json(run.state, to_json(state))
        assert words in refused(run).remedy
    (run.checkpoints / "checkpoint-5").mkdir()
    assert "--resume" in refused(run).remedy, "it is no longer there, and has left a checkpoint"


def test_a_run_that_was_checked_alone_is_to_be_trained(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.write_json(run.clearance, {})
    run.config.write_text("{}")
    assert "has not been trained" in refused(run).message and "--resume" not in refused(run).remedy


def test_a_run_that_the_watch_has_stopped_is_not_to_be_resumed_as_it_was(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    (run.checkpoints / "checkpoint-10").mkdir()
    run.config.write_text("{}")
    run.write_json(run.watch, WatchReport("stop", [], Ended(10, "stop", ("curve-diverged",), 10)).to_json())
    error = refused(run)
    assert "holds no tuned model. The watch has stopped this run after step 10" in error.message
    assert "sanetune replay" in error.remedy and "--resume check.watch=warn" in error.remedy
