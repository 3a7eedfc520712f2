"""The progress of training: a bar on a terminal, elsewhere a line for each record."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from sanetune import units
from sanetune.engine.metrics import Record
from sanetune.events import Event, Note, RecordLogged, StepFinished, TrainingEnded, TrainingStarted

NARROW = 70
"""Columns of a terminal below which the bar has no speed beside it."""


class TrainingProgress:
    """Shows steps, losses, tokens per second and the time left: as a bar on a terminal, else as lines.

    A line is printed for each record, so ``train.logging_steps`` says how many there are.

    Args:
        console: Where to print; None: standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._total = self._step = self._from = 0
        self._began = 0.0
        self._train: Record | None = None
        self._validation: Record | None = None

    def __call__(self, event: Event) -> None:
        """Show ``event`` if it belongs to training."""
        match event:
            case TrainingStarted(step, total_steps):
                self._start(step, total_steps)
            case StepFinished(step):
                self._advance(step)
            case RecordLogged(record):
                self._log(record)
            case Note(text):
                self.console.print(Text(text, style="yellow"), soft_wrap=True)
            case TrainingEnded() if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def _start(self, step: int, total_steps: int) -> None:
        self._total, self._step, self._from = total_steps, step, step
        self._began = time.monotonic()
        if not self.console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("[bold]training", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            _Figures(self),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
            console=self.console,
            expand=True,
        )
        self._task = self._bar.add_task("training", total=total_steps, completed=step)
        self._bar.start()

    def _advance(self, step: int) -> None:
        self._step = step
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step)

    def _log(self, record: Record) -> None:
        if record.kind == "validation":
            self._validation = record
        else:
            self._train = record
        if self._bar is None:
            self.console.print(Text(self.line(record)), soft_wrap=True)

    def line(self, record: Record) -> str:
        """Return ``record`` as one line of text."""
        width = len(str(self._total))
        words = [f"step {record.step:>{width}}/{self._total}", f"epoch {record.epoch:.2f}"]
        name = "validation loss" if record.kind == "validation" else "loss"
        words.append(f"{name} {record.loss:.4f}")
        if record.learning_rate is not None:
            words.append(f"lr {record.learning_rate:.1e}")
        if record.grad_norm is not None:
            words.append(f"norm {record.grad_norm:.2f}")
        if record.tokens_per_second is not None:
            words.append(f"{units.count(record.tokens_per_second)} tok/s")
        if (left := self.seconds_left()) is not None and record.step < self._total:
            words.append(f"{units.seconds(left)} left")
        return "  ".join(words)

    def seconds_left(self) -> float | None:
        """Return the seconds left, from the mean step time since training began; None before the first step."""
        if (done := self._step - self._from) <= 0:
            return None
        return (time.monotonic() - self._began) / done * (self._total - self._step)

    def figures(self, width: int = 80) -> str:
        """Return the latest losses and, on a terminal of at least 70 columns, tokens per second as short text."""
        words = []
        if self._train is not None:
            words.append(f"loss {self._train.loss:.3f}")
        if self._validation is not None:
            words.append(f"val {self._validation.loss:.3f}")
        if self._train is not None and self._train.tokens_per_second is not None and width >= NARROW:
            words.append(f"{units.count(self._train.tokens_per_second)} tok/s")
        return "  ".join(words)


class _Figures(ProgressColumn):
    """The latest losses and tokens per second beside the bar."""

    def __init__(self, progress: TrainingProgress) -> None:
        super().__init__(Column(no_wrap=True))
        self._progress = progress

    def render(self, task: Task) -> Text:
        return Text(self._progress.figures(self._progress.console.width), style="cyan")
