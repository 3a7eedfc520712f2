"""What a stop of somebody's own trainer leaves: a checkpoint whose weights are numbers, or the word that it is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer, TrainerCallback

import sanetune
from sanetune.engine import checkpoints
from sanetune.engine.own.ending import has_numbers
from sanetune.finding import GateError
from tests.test_callback_watch import Rows, trainer

pytestmark = pytest.mark.usefixtures("one_thread")


class Broken(TrainerCallback):
    """Makes the weights NaN in the step after ``at``."""

    def __init__(self, at: int) -> None:
        self.at = at

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step == self.at:
            with torch.no_grad():
                next(iter(model.parameters())).fill_(torch.nan)


def breaking(folder: Path, mode: str, at: int = 22, **given: Any) -> Trainer:
    watch = sanetune.Watch(mode, ignore=["curve-start-high", "curve-diverged"])  # type: ignore[arg-type]
    made = trainer(folder, Rows(100), watch, **{"save_steps": 8, "logging_steps": 1} | given)
    made.add_callback(Broken(at))
    return made


@pytest.mark.parametrize("limit", [None, 1])
def test_a_stop_of_nan_weights_names_the_last_checkpoint_before_them(tmp_path: Path, limit: int | None) -> None:
    made = breaking(tmp_path, "stop", save_total_limit=limit)
    with pytest.raises(GateError, match="checkpoint-16 is the last whose weights are numbers"):
        made.train()
    assert checkpoints.step_of(checkpoints.latest(tmp_path) or tmp_path) == 16, "none of NaN was saved"
    stored = json.loads((tmp_path / "watch.json").read_text())
    assert stored["ended"]["checkpoint"] == 16
    (nan,) = [one for one in stored["findings"] if one["check"] == "curve-nan"]
    assert nan["rows_weights"] == "checkpoint-16" and all(row["loss"] is not None for row in nan["rows"])
    assert all(bool(torch.isfinite(one).all()) for one in made.model.parameters())


def test_a_damaged_checkpoint_of_an_earlier_run_is_not_what_a_stop_names(tmp_path: Path) -> None:
    breaking(tmp_path, "warn", max_steps=24).train()
    assert not has_numbers(tmp_path / "checkpoint-24") and has_numbers(tmp_path / "checkpoint-16")
    shutil.rmtree(tmp_path / "checkpoint-16")
    shutil.rmtree(tmp_path / "checkpoint-8")
    with pytest.raises(GateError, match="no checkpoint whose weights are numbers is left"):
        breaking(tmp_path, "stop", at=2).train()


def test_going_on_from_a_damaged_checkpoint_is_refused_or_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    breaking(tmp_path, "warn", max_steps=24).train()
    with pytest.raises(GateError, match=r"of the checkpoint of step 24, .* are NaN or infinite"):
        breaking(tmp_path, "stop", max_steps=30).train(resume_from_checkpoint=True)
    breaking(tmp_path, "warn", max_steps=25).train(resume_from_checkpoint=True)
    assert "are NaN or infinite" in capsys.readouterr().err


def test_a_stop_says_that_its_own_checkpoint_is_the_state_after_the_fault(tmp_path: Path) -> None:
    made = trainer(tmp_path, Rows(100), sanetune.Watch(ignore=["curve-start-high"]), learning_rate=30.0)
    with pytest.raises(GateError, match=r"checkpoint-\d+ is the state after the fault, not one to keep"):
        made.train()
