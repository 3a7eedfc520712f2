"""What is known of a run's course: running, finished, stopped, interrupted, failed, or gone without a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sanetune import units
from sanetune.curves.logs.ended import came_to_its_end
from sanetune.report.html.watched import ended_text
from sanetune.text import one_line
from sanetune.workflows.run_state import RunState, read_state

if TYPE_CHECKING:
    from sanetune.engine.metrics import Record
    from sanetune.gate.watch_report import Ended
    from sanetune.runs import Run

Kind = Literal["running", "finished", "stopped", "interrupted", "failed", "gone", "unknown"]

WORDS: dict[Kind, str] = {
    "running": "Running",
    "finished": "Finished",
    "stopped": "Stopped by the watch",
    "interrupted": "Interrupted",
    "failed": "Failed",
    "gone": "Ended without a word",
    "unknown": "Not finished",
}
TONES: dict[Kind, str] = {
    "running": "pass",
    "finished": "pass",
    "stopped": "fail",
    "interrupted": "warn",
    "failed": "fail",
    "gone": "fail",
    "unknown": "warn",
}
LONGEST = 400
"""Characters of a reason that are shown."""


@dataclass(frozen=True, slots=True)
class Status:
    """The course of a run.

    Attributes:
        kind: What it came to.
        text: Steps, times and the reason, in a sentence.
        progress: Fraction of its steps that are done; None: how many there are is not known, or it has ended.
    """

    kind: Kind
    text: str
    progress: float | None = None

    @property
    def title(self) -> str:
        """The course in one to four words."""
        return WORDS[self.kind]

    @property
    def tone(self) -> str:
        """``pass``, ``warn`` or ``fail``, for the colour."""
        return TONES[self.kind]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.kind not in ("running", "unknown")


def status_of(run: Run, records: Sequence[Record], ended: Ended | None = None) -> Status | None:
    """Return the course of ``run``, as far as its files say it; None where it has never begun.

    Args:
        run: Its folder.
        records: Its records, by rising step.
        ended: How the watch ended it, if it did.
    """
    state = read_state(run)
    early = ended_text(ended) if ended is not None and run.finished else ""
    if state is None:
        if run.finished:
            return Status("finished", early)
        # Earlier versions wrote nothing down: whether it is still under way cannot be told.
        return Status("unknown", _steps(records, 0)) if records else None
    if came_to_its_end(run) and not (state.phase == "running" and state.is_alive):
        when = f"on {state.changed}" if state.phase == "finished" else ""
        return Status("finished", "; ".join(part for part in (when, early) if part))
    kind = _kind(state)
    share = None
    if kind == "running" and state.total_steps:
        share = min(1.0, records[-1].step / state.total_steps) if records else 0.0
    return Status(kind, _text(kind, state, records), share)


def _kind(state: RunState) -> Kind:
    if state.phase != "running":
        return state.phase
    alive = state.is_alive
    if alive is None:
        return "unknown"
    return "running" if alive else "gone"


def _text(kind: Kind, state: RunState, records: Sequence[Record]) -> str:
    steps = _steps(records, state.total_steps)
    if kind == "running":
        return f"{steps or 'no step yet'}{_left(state, records)}, since {state.began}"
    if kind == "gone":
        return f"{steps or 'before its first record'}; its process is no longer there and left no reason"
    if kind == "unknown":
        return f"{steps or 'no step yet'}; whether {state.host} still trains it cannot be told from here"
    reason = f": {one_line(state.reason, LONGEST).rstrip('.')}" if state.reason else ""
    return f"{steps or 'before its first record'}, on {state.changed}{reason}"


def _steps(records: Sequence[Record], total: int) -> str:
    if not records:
        return ""
    return f"step {records[-1].step:,}" + (f" of {total:,}" if total else "")


def _left(state: RunState, records: Sequence[Record]) -> str:
    """The time that is left at the mean speed so far, evaluations and saves included."""
    done = [one for one in records if one.kind == "train"]
    if len(done) < 2 or not state.total_steps:
        return ""
    steps, seconds = done[-1].step - done[0].step, done[-1].seconds - done[0].seconds
    left = state.total_steps - done[-1].step
    return f", about {units.seconds(left * seconds / steps)} left" if steps > 0 and left > 0 else ""
