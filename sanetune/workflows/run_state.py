"""Whether a run is under way, finished, stopped or failed: written into its folder by the run, read by its page."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from sanetune.errors import RunError, UserError
from sanetune.events import Event, RunFinished, RunStarted, RunStopped
from sanetune.run_lock import is_alive
from sanetune.text import one_line
from sanetune.typed_json import from_json, to_json

if TYPE_CHECKING:
    from sanetune.runs import Run

Phase = Literal["running", "finished", "stopped", "interrupted", "failed"]

LONGEST = 400
"""Characters of the reason that is kept."""


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run said last about itself.

    Attributes:
        phase: ``stopped`` by the watch, ``interrupted`` by the user, ``failed`` by any other error.
        began: When it began, in UTC, to the second.
        changed: When it came to this phase.
        total_steps: Optimizer steps that it is to make.
        reason: Why it ended, where it did not finish.
        process: Id of the process that trains.
        process_began: When that process began, in seconds since 1970: ids are used again.
        host: Name of its machine.
    """

    phase: Phase
    began: str
    changed: str
    total_steps: int = 0
    reason: str = ""
    process: int = 0
    process_began: float = 0.0
    host: str = ""

    @property
    def is_alive(self) -> bool | None:
        """Whether its process is still there; None: another machine would have to be asked."""
        return is_alive(self.process, self.process_began, self.host)


class StateFile:
    """Keeps ``state.json`` of a run up to date."""

    def __init__(self) -> None:
        self._state: RunState | None = None

    def __call__(self, event: Event) -> None:
        """Follow a run. A disk that takes no file does not end it."""
        match event:
            case RunStarted(run, plan):
                self._state = _begun(plan.steps.total_steps)
                self._write(run)
            case RunStopped(run, error):
                self._end(run, *reason_of(error))

    def finish(self, event: Event) -> None:
        """Note that a run is finished; to be called after all who write something at its end."""
        if isinstance(event, RunFinished):
            self._end(event.result.run, "finished", "")

    def _end(self, run: Run, phase: Phase, reason: str) -> None:
        if self._state is not None:
            self._state = replace(self._state, phase=phase, reason=reason, changed=now())
            self._write(run)

    def _write(self, run: Run) -> None:
        assert self._state is not None
        try:
            run.write_json(run.state, to_json(self._state))
        except RunError:
            return


def read_state(run: Run) -> RunState | None:
    """Return what the run said last about itself; None where it said nothing that can be read."""
    try:
        return from_json(RunState, run.read_json(run.state))
    except (RunError, OSError, ValueError):
        return None


def reason_of(error: BaseException | None) -> tuple[Phase, str]:
    """Return the phase that a run comes to by ``error``, and its reason in a sentence.

    >>> reason_of(KeyboardInterrupt())
    ('interrupted', '')
    >>> reason_of(ValueError("no such\\nfile"))
    ('failed', 'ValueError: no such file')
    """
    from sanetune.finding import GateError

    if error is None or isinstance(error, KeyboardInterrupt):
        return "interrupted", ""
    if isinstance(error, UserError):
        return "stopped" if isinstance(error, GateError) else "failed", one_line(error.headline, LONGEST)
    return "failed", one_line(f"{type(error).__name__}: {error}", LONGEST)


def now() -> str:
    """Return the time in UTC, as a run's files have it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _begun(total_steps: int) -> RunState:
    import psutil

    process = psutil.Process(os.getpid())
    return RunState("running", now(), now(), total_steps, "", process.pid, process.create_time(), platform.node())
