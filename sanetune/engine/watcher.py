"""What follows a whole run while it trains, and may end it: the engine publishes, the watcher judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sanetune.curves.series import Evaluation, Point


class Course(StrEnum):
    """What becomes of a run.

    ``on``: it goes on. ``turn``: it ends here, and the checkpoint with the lowest validation loss is its model.
    ``stop``: it ends here with a checkpoint and without a model. ``leave``: it ends here, and nothing is written.
    """

    ON = "on"
    TURN = "turn"
    STOP = "stop"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class TrackerText:
    """A text for the trackers of a run.

    Args:
        name: What it is filed under, such as ``watch/curve-spike``.
        step: Optimizer steps done.
        text: Markdown.
    """

    name: str
    step: int
    text: str


class RunWatcher(Protocol):
    """Follows a run in its main process; the others get its decisions.

    Attributes:
        every: Steps that are handed over together.
        keeps: Whether a checkpoint of each lowest evaluation is wanted, the same on all processes.
        ahead: A step whose rows are wanted before it is made; None: of no step.
    """

    every: int
    keeps: bool
    ahead: int | None

    def begin(self, step: int) -> None:
        """Called when the run begins, or goes on after ``step`` optimizer steps."""

    def before(self, rows: Sequence[int]) -> None:
        """Called before the step ``ahead`` is made, with the numbers of its rows in the training split."""

    def steps(self, points: Sequence[Point]) -> Course:
        """Called every few steps with all steps since, one by one."""

    def evaluated(self, evaluation: Evaluation, sets: Mapping[str, Evaluation]) -> Course:
        """Called after each evaluation of the validation rows; ``sets``: that of each source alone, of several."""

    def texts(self) -> list[TrackerText]:
        """Return what the trackers do not have yet."""

    def kept(self, step: int | None) -> None:
        """Called where a run ends early, with the step of the checkpoint whose weights it has from now on: the one
        that becomes the model (``turn``), or that is left after a ``stop``. None: there is no checkpoint."""


class StoppedByWatcherError(Exception):
    """The watcher has ended the run, after a checkpoint."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step

    def __str__(self) -> str:
        return f"stopped after step {self.step}"
