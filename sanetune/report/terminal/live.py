"""Progress bars, notes, and the start and end of a run on a terminal."""

from __future__ import annotations

from rich.console import Console

from sanetune.events import ClearanceMissing, Event, RunFinished, RunRefused, RunStarted, WatchFired
from sanetune.report.clearance import lines
from sanetune.report.terminal import watch
from sanetune.report.terminal.clearance import show_missing, show_refusal
from sanetune.report.terminal.progress import ProgressBar
from sanetune.report.terminal.run import show_end, show_start
from sanetune.report.terminal.training import TrainingProgress


class LiveTerminal:
    """Shows events on a terminal in the order in which they are published.

    Args:
        console: Where to print; None: standard error, so that standard output has the results alone.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._bars = ProgressBar(self.console), TrainingProgress(self.console)

    def __call__(self, event: Event) -> None:
        """Show ``event``."""
        for bar in self._bars:
            bar(event)
        match event:
            case ClearanceMissing(reasons, level):
                show_missing(reasons, level, self.console)
            case RunRefused(report):
                show_refusal(report, self.console)
            case RunStarted(run, plan, prepared, clearance):
                cleared = lines(clearance, remedies=True) if clearance else ()
                show_start(plan, prepared, run, self.console, cleared)
            case WatchFired(finding):
                watch.show(finding, self.console)
            case RunFinished(result) if result.comparison is not None:
                show_end(result.run, result.outcome, result.comparison, self.console)
