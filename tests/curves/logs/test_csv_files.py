"""CSV exports become curves, one per run."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.curves.logs.csv_files import read
from sanetune.errors import DataError


def written(tmp_path: Path, text: str, name: str = "export.csv") -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8-sig")
    return file


def test_a_chart_of_two_runs_gives_two_curves(tmp_path: Path) -> None:
    header = '"train/global_step","lr 1e-4 - train/loss","lr 1e-4 - train/loss__MIN","lr 1e-4 - train/loss__MAX",'
    header += '"b - train/loss","b - train/loss__MIN","b - train/loss__MAX"\n'
    first, second = read(written(tmp_path, header + "10,2.5,2.4,2.6,3,3,3\n20,2.0,2,2,,,\n"))
    assert (first.title, [(p.step, p.loss) for p in first.curve().points]) == ("lr 1e-4", [(10, 2.5), (20, 2.0)])
    assert (second.title, [(p.step, p.loss) for p in second.curve().points]) == ("b", [(10, 3.0)])


@pytest.mark.parametrize(
    "axis", ["Relative Time (Wall)", "Relative Time (Process)", "Wall Time", "train/epoch", "Time"]
)
def test_a_chart_over_something_else_than_steps_has_its_records_counted(tmp_path: Path, axis: str) -> None:
    """Seconds would be steps, and records less than a second apart one record."""
    chart = f"{axis},a - train/loss,b - train/loss\n0.25,2.5,\n0.5,2.0,3.5\n0.75,1.5,\n"
    first, second = read(written(tmp_path, chart))
    assert [(p.step, p.loss) for p in first.curve().points] == [(1, 2.5), (2, 2.0), (3, 1.5)]
    assert [(p.step, p.loss) for p in second.curve().points] == [(1, 3.5)]
    assert axis in first.notes[0]
    assert first.curve().points[0].epoch == (0.25 if "epoch" in axis else None)


def test_a_run_saved_as_a_table_has_training_and_evaluations(tmp_path: Path) -> None:
    text = "_step,train/global_step,train/loss,eval/loss,train/learning_rate,note\n"
    text += "0,5,2.0,,1e-4,x\n1,5,,2.5,,\n2,10,NaN,,5e-5,\n"
    (log,) = read(written(tmp_path, text))
    curve = log.curve()
    assert [(p.step, p.lr) for p in curve.points] == [(5, 1e-4), (10, 5e-5)]
    assert [(e.step, e.loss) for e in curve.validation] == [(5, 2.5)]


@pytest.mark.parametrize(("name", "training"), [("run-a-tag-train_loss.csv", 2), ("run-a-tag-eval_loss.csv", 0)])
def test_the_name_of_a_download_of_tensorboard_says_which_curve_it_is(tmp_path: Path, name: str, training: int) -> None:
    (log,) = read(written(tmp_path, "Wall time,Step,Value\n1.7e9,1,2.5\n1.7e9,2,2.0\n", name))
    assert (len(log.curve().points), len(log.curve().validation)) == (training, 2 - training)


@pytest.mark.parametrize(
    ("columns", "name", "alone"),
    [
        ("Step,a - train/loss,a - train/loss__MIN,a - train/loss__MAX", "chart.csv", True),
        ("Step,a - _step,a - train/loss", "chart.csv", True),
        ("Wall time,Step,Value", "run-a-tag-train_loss.csv", True),
        ("step,loss", "table.csv", True),
        ("step,loss,lr", "table.csv", False),
        ("step,loss,val_loss", "table.csv", False),
    ],
)
def test_a_file_with_one_metric_may_be_one_chart_of_several(
    tmp_path: Path, columns: str, name: str, alone: bool
) -> None:
    lines = [",".join(str(step) for _ in columns.split(",")) for step in (1, 2, 3)]
    (log,) = read(written(tmp_path, "\n".join([columns, *lines]) + "\n", name))
    assert log.curve().one_of_several == alone


def test_semicolons_and_tabs_are_understood(tmp_path: Path) -> None:
    for mark in ";\t":
        (log,) = read(written(tmp_path, f"step{mark}loss\n1{mark}2.5\n"))
        assert log.curve().points[0].loss == 2.5


def test_a_table_without_losses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no step of this log has a loss; it has accuracy, step"):
        read(written(tmp_path, "step,accuracy\n1,0.5\n"))


def test_a_table_of_runs_is_told_from_the_log_of_one(tmp_path: Path) -> None:
    table = '"Name","State","Created","Runtime","train/loss"\n"a","finished","2026-01-01","60","0.5"\n'
    with pytest.raises(DataError, match="a table of 1 run, with a line for each, and has the losses of no step"):
        read(written(tmp_path, table))


def test_a_table_without_numbers_is_refused_as_such(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no numbers were logged in it"):
        read(written(tmp_path, "name,state\nfirst,done\n"))
