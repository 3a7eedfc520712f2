from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.control import strip_control_codes
from rich.text import Text

from sanetune.engine.metrics import Record
from sanetune.events import Note, RecordLogged, StepFinished, TrainingEnded, TrainingStarted
from sanetune.report.terminal.training import TrainingProgress


def record(step: int, kind: str = "train", loss: float = 1.25) -> Record:
    return Record(step, step / 4, 1.0, kind, loss, learning_rate=1e-4, tokens_per_second=1234.0)  # type: ignore[arg-type]


def test_a_terminal_sees_a_bar_with_loss_and_speed() -> None:
    out = io.StringIO()
    progress = TrainingProgress(Console(file=out, force_terminal=True, width=100))
    progress(TrainingStarted(0, 4))
    for step in (1, 2):
        progress(StepFinished(step))
        progress(RecordLogged(record(step)))
    progress(RecordLogged(record(2, "validation", 1.5)))
    assert progress.figures() == "loss 1.250  val 1.500  1,234 tok/s"
    assert progress.figures(60) == "loss 1.250  val 1.500"
    progress(Note("[bold]not markup"))
    progress(TrainingEnded())
    assert "2/4" in out.getvalue()
    assert "[bold]not markup" in out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_bar_takes_one_line_however_large_the_numbers(width: int) -> None:
    out = io.StringIO()
    progress = TrainingProgress(Console(file=out, force_terminal=True, width=width, color_system=None))
    progress(TrainingStarted(0, 120_000))
    progress(StepFinished(54_000))
    for kind in ("train", "validation"):
        progress(RecordLogged(replace(record(54_000, kind, 12.345), tokens_per_second=1_234_567.0)))
    progress(TrainingEnded())
    assert out.getvalue().count("\n") == 1  # the one below the bar
    last = strip_control_codes(Text.from_ansi(out.getvalue().split("\r")[-1]).plain).rstrip("\n")
    assert len(last) <= width
    if width >= 80:
        assert "54000/120000 loss 12.345  val 12.345  1.2 M tok/s" in last


def test_a_file_sees_a_line_for_each_record() -> None:
    out = io.StringIO()
    progress = TrainingProgress(Console(file=out, width=40))
    progress(TrainingStarted(0, 4))
    for step in (1, 2, 3, 4):
        progress(StepFinished(step))
        progress(RecordLogged(record(step)))
        if step == 2:
            progress(RecordLogged(record(2, "validation", 1.5)))
    progress(TrainingEnded())
    lines = out.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["step 1/4", "step 2/4", "step 2/4", "step 3/4", "step 4/4"]
    assert "loss 1.2500  lr 1.0e-04  1,234 tok/s" in lines[0] and lines[0].endswith(" left")
    assert "validation loss 1.5000" in lines[2]
    assert not lines[-1].endswith(" left")
    assert "\x1b" not in out.getvalue()
