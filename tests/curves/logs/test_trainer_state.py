"""A trainer_state.json becomes a curve; what is not one is refused with a sentence."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sanetune.curves.logs import log
from sanetune.curves.logs.trainer_state import read
from sanetune.errors import DataError


def state(tmp_path: Path, records: list[Any], **more: Any) -> Path:
    file = tmp_path / "trainer_state.json"
    file.write_text(json.dumps({"log_history": records, **more}))
    return file


def test_losses_learning_rates_norms_and_looks_are_read(tmp_path: Path) -> None:
    records = [
        {"step": 10, "loss": 2.5, "learning_rate": 1e-4, "grad_norm": 3.0, "epoch": 0.5},
        {"step": 10, "eval_loss": 2.25, "eval_runtime": 3.0},
        {"step": 20, "loss": 2.0, "learning_rate": 5e-5, "epoch": 1.0},
        {"step": 20, "train_loss": 2.2},
    ]
    curve = read(state(tmp_path, records, max_steps=20, global_step=20)).curve()
    assert [(one.step, one.loss, one.grad_norm) for one in curve.points] == [(10, 2.5, 3.0), (20, 2.0, None)]
    assert [(one.step, one.loss) for one in curve.validation] == [(10, 2.25)]
    assert (curve.total_steps, curve.finished, curve.planned_lr, curve.steps_per_epoch) == (20, True, 1e-4, 20)


def test_a_run_that_stopped_early_is_not_finished(tmp_path: Path) -> None:
    assert not read(state(tmp_path, [{"step": 5, "loss": 1.0}], max_steps=20, global_step=5)).curve().finished


def test_the_validation_loss_may_have_another_name(tmp_path: Path) -> None:
    records = [{"step": 9, "eval_b/c_loss": 2.0, "eval_b/c_runtime": 1.0}, {"step": 9, "eval_d_loss": 3.0}]
    assert [one.loss for one in read(state(tmp_path, records)).curve().validation] == [2.0]


def test_nan_and_infinity_are_kept_to_be_seen(tmp_path: Path) -> None:
    records = [{"step": 1, "loss": math.nan}, {"step": 2, "loss": 1.0, "grad_norm": math.inf}]
    curve = read(state(tmp_path, records)).curve()
    assert math.isnan(curve.points[0].loss)
    assert curve.points[1].grad_norm == math.inf


def test_steps_that_a_resumed_run_logs_twice_count_once(tmp_path: Path) -> None:
    records = [{"step": 2, "loss": 5.0}, {"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}]
    assert [one.loss for one in read(state(tmp_path, records)).curve().points] == [3.0, 2.0]


@pytest.mark.parametrize("value", ["one", True, None, [1], {"a": 1}])
def test_what_is_not_a_number_is_left_out(tmp_path: Path, value: Any) -> None:
    good = {"step": 3, "loss": 2.0}
    curve = read(state(tmp_path, [{"step": 1, "loss": value}, {"step": value, "loss": 1.0}, value, good])).curve()
    assert [point.step for point in curve.points] == [3]


def test_integers_beyond_all_floats_are_infinite(tmp_path: Path) -> None:
    file = tmp_path / "trainer_state.json"
    file.write_text('{"log_history": [{"step": 1, "loss": 1' + "0" * 400 + '}], "max_steps": -3}')
    assert read(file).curve().points[0].loss == math.inf


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"log_history": 3}', "[" * 100_000, "\x80", '{"a": 1' + "0" * 5000 + "}"]
)
def test_other_files_are_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "trainer_state.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError):
        read(file)


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "none.json")
    monkeypatch.setattr(log, "MOST_BYTES", 10)
    with pytest.raises(DataError, match="too large"):
        read(state(tmp_path, []))


def test_a_log_without_a_loss_is_refused_with_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no step of this log has a loss; it has acc, step"):
        read(state(tmp_path, [{"step": 1, "acc": 0.5}]))


def test_every_real_log_is_read(shared: Path) -> None:
    files = sorted((shared / "logs").glob("*/*/trainer_state.json"))
    assert len(files) == 25
    assert all(read(file).curve().points for file in files)
