"""A loss of validation rows is none of the training's, where a column beside it says of which rows it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sanetune.curves.logs.find import logs
from sanetune.curves.series import Curve

Records = list[dict[str, Any]]


def curve(path: Path) -> Curve:
    (log,) = logs(path)
    return log.curve()


def records(column: str, train: object, validation: object) -> Records:
    """Training losses 0.5 above their steps, and at each tenth step a validation loss 7 above it."""
    rows: Records = []
    for step in range(1, 31):
        rows.append({"step": step, column: train, "loss": step + 0.5})
        rows += [{"step": step, column: validation, "loss": step + 7.0}] if step % 10 == 0 else []
    return rows


def as_lines(path: Path, rows: Records) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    return path


def as_table(path: Path, rows: Records) -> Path:
    path.write_text("\n".join([",".join(rows[0]), *(",".join(map(str, one.values())) for one in rows)]) + "\n")
    return path


def check_apart(found: Curve) -> None:
    assert [point.loss - point.step for point in found.points] == [0.5] * 30
    assert [(one.step, one.loss) for one in found.validation] == [(10, 17.0), (20, 27.0), (30, 37.0)]


COLUMNS = [
    ("split", "train", "val"), ("phase", "Training", "Validation"), ("stage", "fit", "eval"), ("kind", "tr", "dev"),
    ("of", "train", "valid"), ("is_eval", False, True), ("train", 1, 0), ("val", 0, 1),
]  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_the_column_that_says_of_which_rows_a_loss_is_counts(tmp_path: Path, column: tuple[str, Any, Any]) -> None:
    rows = records(*column)
    check_apart(curve(as_lines(tmp_path / "log.jsonl", rows)))
    check_apart(curve(as_table(tmp_path / "log.csv", rows)))


@pytest.mark.parametrize("column", [("name", "test", "test"), ("note", "a", "b"), ("val", 0.5, 0.25)])
def test_a_column_that_tells_no_losses_apart_is_left_alone(tmp_path: Path, column: tuple[str, Any, Any]) -> None:
    found = curve(as_lines(tmp_path / "log.jsonl", records(*column)))
    assert len(found.points) == 30 and not found.validation


def test_test_rows_do_not_decide_where_validation_rows_are_evaluated(tmp_path: Path) -> None:
    rows = records("split", "train", "val")
    rows += [{"step": step, "split": "test", "loss": 99.0} for step in range(1, 31)]
    check_apart(curve(as_lines(tmp_path / "log.jsonl", rows)))


def test_our_own_records_under_another_name_are_those_of_the_run(tmp_path: Path) -> None:
    rows = [{"epoch": 0.5, **one} for one in records("kind", "train", "validation")]
    rows[10]["losses"] = {"code": 3.0}
    own, copy = as_lines(tmp_path / "metrics.jsonl", rows), as_lines(tmp_path / "copy.jsonl", rows)
    check_apart(curve(copy))
    assert curve(own).points == curve(copy).points
    assert logs(own)[0].validation_losses == logs(copy)[0].validation_losses == ["eval_loss", "eval_code_loss"]
