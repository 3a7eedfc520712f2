"""Notebooks with what transformers' own code draws in them, and with what was printed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.utils.notebook import html_progress_bar, text_to_html_table

from sanetune.curves.logs.find import logs
from sanetune.curves.logs.notebook import read
from sanetune.errors import DataError

TRAINED = [["Step", "Training Loss"], [10, 2.5], [20, 2.0], [30, 1.75]]
EVALUATED = [["Epoch", "Training Loss", "Validation Loss"], [1, "No log", 2.5], [2, 2.0, 2.25], [3, 2.0, 2.75]]


def drawn(table: list[list[Any]], label: str) -> dict[str, Any]:
    """An output as transformers draws it: its bar, and a table under it."""
    html = html_progress_bar(1, 1, "", label, 300) + text_to_html_table(table)
    return {"output_type": "display_data", "data": {"text/html": html.splitlines(keepends=True), "text/plain": ["…"]}}


def printed(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


def saved(path: Path, *cells: list[dict[str, Any]]) -> Path:
    """A notebook whose cells have these outputs, after one of text."""
    code = [{"cell_type": "code", "source": ["trainer.train()"], "outputs": outputs} for outputs in cells]
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "# Hello"}, *code], "nbformat": 4}))
    return path


def test_the_table_that_a_trainer_draws_is_its_log(tmp_path: Path) -> None:
    (log,) = logs(saved(tmp_path / "a.ipynb", [drawn(TRAINED, "[40/40 01:02, Epoch 2/2]")]))
    curve = log.curve()
    assert [(point.step, point.loss) for point in curve.points] == [(10, 2.5), (20, 2.0), (30, 1.75)]
    assert (log.total_steps, log.reached) == (40, 40)


def test_a_table_by_epochs_has_the_steps_of_its_bar(tmp_path: Path) -> None:
    (log,) = logs(saved(tmp_path / "a.ipynb", [drawn(EVALUATED, "[ 60/100 01:02 < 00:40, 1.00 it/s, Epoch 3/5]")]))
    curve = log.curve()
    assert [(one.step, one.loss) for one in curve.validation] == [(20, 2.5), (40, 2.25), (60, 2.75)]
    assert [(point.step, point.loss) for point in curve.points] == [(40, 2.0)]
    assert (curve.total_steps, curve.finished) == (100, False)


def test_output_that_was_printed_in_a_cell_is_read_as_a_file_with_it(tmp_path: Path) -> None:
    text = "{'loss': 2.0, 'epoch': 0.5}\n{'loss': 1.5, 'epoch': 1.0}\n"
    (tmp_path / "a.log").write_text(text)
    (log,) = logs(saved(tmp_path / "a.ipynb", [printed(text[:30]), printed(text[30:])]))
    assert log.curve().points == logs(tmp_path / "a.log")[0].curve().points


def test_each_cell_that_trained_is_a_run(tmp_path: Path) -> None:
    twice = saved(tmp_path / "a.ipynb", [drawn(TRAINED, "[40/40]")], [printed("{'loss': 2.0, 'epoch': 0.5}\n")])
    assert [log.title for log in logs(twice)] == ["cell 2", "cell 3"]


def test_a_table_that_was_drawn_anew_with_more_lines_is_one_run(tmp_path: Path) -> None:
    begun = drawn(TRAINED[:3], "[20/40 00:30 < 00:30, 1.00 it/s, Epoch 1/2]")
    twice = saved(tmp_path / "a.ipynb", [begun, drawn(TRAINED, "[40/40 01:02, Epoch 2/2]")])
    (log,) = logs(twice)
    assert (len(log.curve().points), log.reached) == (3, 40)
    other = [["Step", "Training Loss"], [10, 9.5], [20, 9.0]]
    apart = saved(tmp_path / "b.ipynb", [begun, drawn(other, "[20/40 00:30]")])
    assert [log.title for log in logs(apart)] == ["cell 2, run 1 of 2", "cell 2, run 2 of 2"]


def test_a_notebook_that_was_turned_into_markdown_is_read_as_the_notebook(tmp_path: Path) -> None:
    html = "".join(drawn(EVALUATED, "[60/100 01:02 < 00:40, 1.00 it/s, Epoch 3/5]")["data"]["text/html"])
    (tmp_path / "a.md").write_text("# Training\n\n```python\ntrainer.train()\n```\n\n" + html.replace("\n", "\n    "))
    (log,) = logs(tmp_path / "a.md")
    assert [(one.step, one.loss) for one in log.curve().validation] == [(20, 2.5), (40, 2.25), (60, 2.75)]


def test_a_cell_with_the_summary_of_a_run_alone_costs_no_other(tmp_path: Path) -> None:
    summary = printed("{'train_runtime': 9.0, 'train_loss': 1.9}\n")
    (log,) = logs(saved(tmp_path / "a.ipynb", [drawn(TRAINED, "[40/40 01:02, Epoch 2/2]")], [summary]))
    assert len(log.curve().points) == 3
    with pytest.raises(DataError, match="summary of a run alone"):
        logs(saved(tmp_path / "b.ipynb", [summary]))


def test_html_without_ends_of_its_cells_and_equal_losses_are_read(tmp_path: Path) -> None:
    rows = "".join(f"<tr><td>{step}<td>0.000000<tr>\n" for step in (1, 2, 3))
    html = {"text/html": f"<table><tr><th>Step<th>Training Loss{rows}</table>"}
    (log,) = logs(saved(tmp_path / "a.ipynb", [{"output_type": "display_data", "data": html}]))
    assert [point.loss for point in log.curve().points] == [0, 0, 0]


@pytest.mark.parametrize("epoch", ["nan", "inf", "1e400"])
def test_an_epoch_that_is_no_number_has_no_step(tmp_path: Path, epoch: str) -> None:
    table = [["Epoch", "Training Loss"], [epoch, 2.5], [1, 2.25], [2, 2.0]]
    (log,) = logs(saved(tmp_path / "a.ipynb", [drawn(table, "[3/9 00:10 < 00:20, 1.00 it/s, Epoch 1.0/3]")]))
    assert [point.loss for point in log.curve().points] == [2.25, 2.0]


def test_html_of_a_stranger_is_text(tmp_path: Path) -> None:
    html = "<script>alert(1)</script><table><tr><td>Step<td>Loss</tr><tr><td>5</td><td>2<b>.5</b></td></table>"
    output = {"output_type": "display_data", "data": {"text/html": html}}
    (log,) = logs(saved(tmp_path / "a.ipynb", [output]))
    assert [(point.step, point.loss) for point in log.curve().points] == [(5, 2.5)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "no cells"),
        ('{"cells": [1, {"outputs": 3}, {"outputs": [{"data": [], "text": {}}]}]}', "no output"),
        ("[", "JSON"),
    ],
)
def test_a_notebook_without_a_loss_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(DataError, match=says):
        logs(tmp_path / "a.ipynb")


@given(st.text(alphabet="<>/tabletrdh \"'=&#;0123456789.Steploss", max_size=200))
def test_no_html_stops_the_reader(tmp_path_factory: pytest.TempPathFactory, html: str) -> None:
    path = saved(tmp_path_factory.mktemp("html") / "a.ipynb", [{"data": {"text/html": "<table" + html}}])
    with contextlib.suppress(DataError):
        assert read(path)
