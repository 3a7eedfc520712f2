"""`--resume` says where there is nothing to go on with."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import save_file

from sanetune import commands
from sanetune.config import load
from sanetune.engine import checkpoints
from sanetune.engine.state.files import write_state
from sanetune.errors import RunError
from sanetune.runs import Run
from sanetune.typed_json import to_json
from sanetune.workflows import resume
from sanetune.workflows.run_state import Phase, RunState


def checkpoint(run: Run, step: int, planned: int) -> None:
    folder = run.checkpoints / f"checkpoint-{step}"
    with checkpoints.replacing(folder) as partial:
        (partial / "trainer_state.json").write_text(json.dumps({"max_steps": planned}))
        save_file({"weight": torch.zeros(2)}, partial / "model.safetensors")
        write_state(partial, "optimizer", {"state": {}})


def finish(run: Run) -> None:
    run.model.mkdir(parents=True)
    (run.model / "config.json").write_text("{}")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "a run")


def test_without_a_checkpoint_it_stops_and_shows_the_command_that_begins_anew(run: Run) -> None:
    with pytest.raises(RunError, match="no checkpoint to go on from") as caught:
        resume.require_checkpoint(run)
    assert "sanetune train CONFIG" in caught.value.remedy
    with commands.typed("my run.yaml", ["train.max_steps=5"]), pytest.raises(RunError) as caught:
        resume.require_checkpoint(run)
    assert "`sanetune train 'my run.yaml' train.max_steps=5`" in caught.value.remedy


def test_an_incomplete_checkpoint_is_named(run: Run) -> None:
    (run.checkpoints / "checkpoint-4").mkdir(parents=True)
    with pytest.raises(RunError, match=r"checkpoint-4 is not whole \(trainer_state.json is missing\)"):
        resume.require_checkpoint(run)


def test_a_finished_run_says_that_it_is(run: Run) -> None:
    finish(run)
    with pytest.raises(RunError, match="is finished") as caught:
        resume.require_checkpoint(run)
    assert "sanetune compare" in caught.value.remedy
    checkpoint(run, 6, 6)
    resume.require_checkpoint(run)
    with pytest.raises(RunError, match="step 6 of 6 steps"):
        resume.require_unfinished(run, 6)


def test_a_run_that_stopped_early_is_finished_and_a_longer_plan_goes_on(run: Run) -> None:
    finish(run)
    checkpoint(run, 4, 6)
    with pytest.raises(RunError, match="finished") as caught:
        resume.require_unfinished(run, 6)
    assert "ended it early" in caught.value.rationale, "two of its steps are left"
    resume.require_unfinished(run, 12)


def test_a_run_goes_on_with_the_engine_that_it_began_with(run: Run) -> None:
    text = "model: {{name: m}}\ndata: {{train: d.jsonl}}\ntrain: {{engine: {}}}\n"
    checkpoint(run, 4, 6)
    run.config.write_text(text.format("accelerate"))
    with pytest.raises(RunError, match=r"began with train\.engine: accelerate, and is to go on with trl") as caught:
        resume.require_resumable(run, load({"model": {"name": "m"}, "data": {"train": "d.jsonl"}}))
    assert "train.engine=accelerate" in caught.value.remedy
    found = resume.require_resumable(run, load(run.config))
    assert found.path is not None
    run.config.write_text(text.format("accelerate") + "run: {of_an_older_version: 1}\n")
    assert resume.require_resumable(run, load({"model": {"name": "m"}, "data": {"train": "d.jsonl"}})).path


def test_a_run_that_was_stopped_goes_on(run: Run) -> None:
    checkpoint(run, 4, 6)
    resume.require_checkpoint(run)
    resume.require_unfinished(run, 6)


@pytest.mark.parametrize(
    ("phase", "goes_on"), [("finished", False), ("running", True), ("failed", True), ("interrupted", True)]
)
def test_a_run_that_was_killed_after_its_model_goes_on_to_its_last_file(phase: Phase, goes_on: bool, run: Run) -> None:
    finish(run)
    checkpoint(run, 6, 6)
    run.write_json(run.state, to_json(RunState(phase, "", "", process=2**22 + 1, host=platform.node())))
    if goes_on:
        resume.require_unfinished(run, 6)
        return
    with pytest.raises(RunError, match="is finished"):
        resume.require_unfinished(run, 6)


def test_a_run_that_another_process_is_finishing_is_left_to_it(run: Run) -> None:
    finish(run)
    checkpoint(run, 6, 6)
    here = psutil.Process()
    state = RunState("running", "", "", 6, "", here.pid, here.create_time(), platform.node())
    run.write_json(run.state, to_json(state))
    with pytest.raises(RunError, match="is finished"):
        resume.require_unfinished(run, 6)
