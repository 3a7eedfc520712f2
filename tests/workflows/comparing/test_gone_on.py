"""A tuned model that is older than its run's last training is told by its step."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sanetune.runs import Run
from sanetune.workflows.comparing.gone_on import gone_on, step_of_model
from sanetune.workflows.run_state import now

LONG_AGO = 1_000_000_000


def resumed(folder: Path, *, step: int = 8, weights: str = "model", **state: Any) -> Run:
    """A run whose model was written long ago, and which went on for one step from checkpoint 6 on."""
    for name, content in ((weights, "six"), ("checkpoints/checkpoint-6", "six"), ("checkpoints/checkpoint-8", "two")):
        (folder / name).mkdir(parents=True)
        kind = "model" if weights == "model" else "adapter_model"
        (folder / name / f"{kind}.safetensors").write_text(content)
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model/config.json").write_text("{}")
    os.utime(folder / "model/config.json", (LONG_AGO, LONG_AGO))
    records = ({"step": n, "epoch": 1.0, "seconds": 1.0, "kind": "train", "loss": 1.0} for n in range(1, step + 1))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    run = Run(folder)
    run.write_json(run.state, {"phase": "failed", "began": now(), "changed": now(), "total_steps": 9, **state})
    return run


@pytest.mark.parametrize("weights", ["model", "adapter"])
def test_a_run_that_went_on_is_told_with_the_step_of_its_weights_and_its_own(tmp_path: Path, weights: str) -> None:
    run = resumed(tmp_path / "run", weights=weights)
    assert step_of_model(run) == 6
    assert gone_on(run).startswith("The weights of run are those of step 6, and it has gone on since, to step 8 of 9:")
    assert "--resume" in gone_on(run)


def test_where_no_checkpoint_has_the_weights_their_step_is_not_named(tmp_path: Path) -> None:
    run = resumed(tmp_path / "run")
    (run.checkpoints / "checkpoint-6/model.safetensors").write_text("six and more")
    assert step_of_model(run) is None
    assert "those of an earlier end of its training, and it has gone on since, to step 8" in gone_on(run)


def test_a_run_that_is_finished_or_has_made_no_step_since_is_not_told(tmp_path: Path) -> None:
    assert gone_on(resumed(tmp_path / "finished", phase="finished")) == ""
    assert gone_on(resumed(tmp_path / "no step", step=6)) == ""
    of_before = resumed(tmp_path / "of before")
    of_before.state.unlink()
    assert gone_on(of_before) == ""
    failed_later = resumed(tmp_path / "failed later")
    os.utime(failed_later.model / "config.json")
    assert gone_on(failed_later) == "", "training was over: what follows it has failed"
