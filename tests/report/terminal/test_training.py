from __future__ import annotations

import io

from rich.console import Console

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
    progress(Note("[bold]not markup"))
    progress(TrainingEnded())
    assert "2/4" in out.getvalue()
    assert "[bold]not markup" in out.getvalue()


def test_a_file_sees_a_line_now_and_then_and_every_validation() -> None:
    out = io.StringIO()
    progress = TrainingProgress(Console(file=out, width=40), every=1e6)
    progress(TrainingStarted(0, 4))
    for step in (1, 2, 3, 4):
        progress(StepFinished(step))
        progress(RecordLogged(record(step)))
        if step == 2:
            progress(RecordLogged(record(2, "validation", 1.5)))
    progress(TrainingEnded())
    lines = out.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["step 2/4", "step 4/4"]
    assert "validation loss 1.5000" in lines[0]
    assert "1,234 tokens/s" in lines[1]
    assert "\x1b" not in out.getvalue()
