"""Model cards as transformers' own code writes them, and tables that people wrote."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from transformers.modelcard import make_markdown_table, parse_log_history

from sanetune.curves.logs.find import logs
from sanetune.curves.logs.log import Log
from sanetune.errors import DataError

ENDED = {"train_loss": 1.5, "train_runtime": 9.0, "step": 60, "epoch": 3.0}
EPOCHS = "The following hyperparameters were used during training:\n- learning_rate: 2e-05\n- num_epochs: 3\n\n"


def history(every: int, evaluated: int) -> list[dict[str, float]]:
    """The log of 60 steps, three epochs, whose losses are logged and evaluated every so many steps."""
    entries = []
    for step in range(1, 61):
        if step % every == 0:
            entries.append({"loss": 2 - step / 100, "epoch": step / 20, "step": step})
        if step % evaluated == 0:
            entries.append({"eval_loss": 2.25 - step / 100, "eval_runtime": 1.0, "epoch": step / 20, "step": step})
    return [*entries, ENDED]


def card(path: Path, entries: list[dict[str, float]], head: str = EPOCHS) -> Path:
    """A model card with the table that transformers makes of a log."""
    _, lines, _ = parse_log_history(entries)
    path.write_text(f"# A model\n\n{head}### Training results\n\n{make_markdown_table(lines)}\n")
    return path


def read(path: Path) -> Log:
    (log,) = logs(path)
    return log


def test_the_table_of_a_card_is_read_as_the_evaluations_of_its_run(tmp_path: Path) -> None:
    curve = read(card(tmp_path / "README.md", history(10, 10))).curve()
    assert [(one.step, one.loss) for one in curve.validation] == [(s, 2.25 - s / 100) for s in range(10, 61, 10)]
    assert [(point.step, point.loss) for point in curve.points] == [(s, 2 - s / 100) for s in range(10, 61, 10)]
    assert curve.total_steps == 60 and curve.finished


def test_a_training_loss_that_is_shown_beside_several_evaluations_is_one_record(tmp_path: Path) -> None:
    curve = read(card(tmp_path / "README.md", history(30, 10))).curve()
    assert [point.loss for point in curve.points] == [1.7, 1.4]
    assert [one.step for one in curve.validation] == list(range(10, 61, 10))


@pytest.mark.parametrize(
    ("head", "planned"),
    [
        ("- num_epochs: 6.0\n\n", 120),
        ("- training_steps: 100\n\n", 100),
        ("- training_steps: -1\n\n", None),
        ("", None),
    ],
)
def test_the_planned_steps_are_those_of_the_cards_arguments(tmp_path: Path, head: str, planned: int | None) -> None:
    assert read(card(tmp_path / "README.md", history(10, 10), head)).total_steps == planned


def test_arguments_have_the_names_that_trainers_take(tmp_path: Path) -> None:
    log = read(card(tmp_path / "README.md", history(10, 10)))
    assert log.arguments == {"learning_rate": 2e-05, "num_train_epochs": 3.0}


def test_a_loss_that_is_no_number_is_read_as_one(tmp_path: Path) -> None:
    entries = history(10, 10)
    entries[4]["loss"] = entries[5]["eval_loss"] = math.nan
    curve = read(card(tmp_path / "README.md", entries)).curve()
    assert math.isnan(curve.points[2].loss) and math.isnan(curve.validation[2].loss)


def test_a_folder_whose_only_log_is_its_card_is_read_by_it(tmp_path: Path) -> None:
    card(tmp_path / "README.md", history(10, 10))
    assert len(read(tmp_path).curve().validation) == 6
    (tmp_path / "trainer_state.json").write_text('{"log_history": [{"loss": 2.0, "step": 5}], "max_steps": 9}')
    assert not read(tmp_path).curve().validation


def test_tables_that_people_wrote_count_by_their_columns(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(
        "| lr | accuracy |\n|---|---|\n| 1e-4 | 0.5 |\n\n"
        "| Step | Train loss | **Val loss** |\n|---|---|---|\n| 1,000 | 2.5 | – |\n| 2,000 | 2.0 | **2.25** |\n"
    )
    curve = read(tmp_path / "notes.md").curve()
    assert [(point.step, point.loss) for point in curve.points] == [(1000, 2.5), (2000, 2.0)]
    assert [(one.step, one.loss) for one in curve.validation] == [(2000, 2.25)]


def test_output_of_a_trainer_in_a_markdown_file_is_read_as_printed(tmp_path: Path) -> None:
    (tmp_path / "issue.md").write_text(
        "It goes wrong:\n```\n{'loss': 2.0, 'epoch': 0.1}\n{'loss': nan, 'epoch': 0.2}\n```\n"
    )
    assert len(read(tmp_path / "issue.md").curve().points) == 2


def test_a_card_without_a_table_is_refused_with_what_to_give_instead(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# A model\n\n| benchmark | score |\n|---|---|\n| MMLU | 0.5 |\n")
    with pytest.raises(DataError, match="no losses are printed") as error:
        logs(tmp_path / "README.md")
    assert error.value.remedy and "Training Loss" in error.value.remedy
    with pytest.raises(DataError, match="no log of a run in this folder"):
        logs(tmp_path)
