"""The progress of preparation, evidence and checks: a line that changes on a terminal, elsewhere one per experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.events import (
    ChecksEnded,
    ChecksStarted,
    CheckStarted,
    EvaluationEnded,
    EvaluationStarted,
    EvaluationStep,
    Event,
    EvidenceStarted,
    PreparationEnded,
    PreparationStarted,
    ProbeStep,
    RowsProcessed,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class ProgressBar:
    """A line that says what is prepared, built or checked.

    It is shown from the first :class:`PreparationStarted` or :class:`ChecksStarted` until the matching end. Where there
    is no terminal, a line is printed for each experiment on the model instead, so that a log does not stand still.
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console

        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._until: type[Event] | None = None

    def __call__(self, event: Event) -> None:
        """Show ``event`` where it is one of progress."""
        match event:
            case PreparationStarted():
                self._open("preparing", "0 rows", PreparationEnded)
            case ChecksStarted():
                self._open("checking", "", ChecksEnded)
            case EvidenceStarted(name) if label := _label(name):
                self._show(label)
                if _on_the_model(name):
                    self._log(label)
            case CheckStarted(name):
                self._show(f"checking {name}")
            case RowsProcessed(rows):
                self._show(None, f"{rows:,} rows")
            case ProbeStep(probe, step, steps):
                self._show(_label(probe) or probe, f"step {step:,} of {steps:,}")
            case EvaluationStarted(model):
                self._open(f"lm-eval: {model}", "", EvaluationEnded)
                self._log(f"lm-eval: {model}")
            case EvaluationStep(_, done, total, left):
                self._show(None, f"{done:,} of {total:,} requests, {units.seconds(left)} left")
            case PreparationEnded() | ChecksEnded() | EvaluationEnded() if isinstance(event, self._until or ()):
                self._close()

    def _open(self, words: str, figures: str, until: type[Event]) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        if self._bar is not None or not self.console.is_terminal or self.console.quiet:
            return
        texts = (TextColumn("{task.description}"), TextColumn("{task.fields[figures]}"))
        self._bar = Progress(SpinnerColumn(), *texts, TimeElapsedColumn(), console=self.console, transient=True)
        self._task = self._bar.add_task(words, total=None, figures=figures)
        self._until = until
        self._bar.start()

    def _show(self, words: str | None, figures: str = "") -> None:
        """Show ``words`` (None: the present ones) and ``figures``."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=words, figures=figures)

    def _log(self, words: str) -> None:
        """Print ``words`` where there is no terminal."""
        if not self.console.is_terminal and not self.console.quiet:
            self.console.print(f"{words} …", style="dim", markup=False)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = self._until = None


def _on_the_model(evidence: str) -> bool:
    """Whether ``evidence`` needs the model, and may take minutes."""
    from sanetune.evidence.catalogue import level_of

    return level_of((evidence,)) != "static"


def _label(evidence: str) -> str:
    """What the bar says while ``evidence`` is built; empty where that is quick."""
    from sanetune.evidence.catalogue import catalogue

    found = catalogue().get(evidence)
    return found.label if found else ""
