"""Ctrl-C and SIGTERM: finish the step, write a checkpoint, then stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME = 2.0
"""Seconds within which the other signal is the same wish: Ctrl-C reaches a launcher too, which sends SIGTERM on."""


class TerminatedError(KeyboardInterrupt):
    """The process was asked to end by SIGTERM, as schedulers and container runtimes do."""


class EvaluationStoppedError(Exception):
    """A signal came during validation."""


class Stop:
    """Catches the signals while training. The first is remembered in ``requested``; the second acts at once.

    Use as a context manager around training; outside the main thread (where Python allows no handlers) it catches
    nothing.
    """

    def __init__(self, note: Callable[[str], None] = lambda text: None) -> None:
        self.requested = False
        self.writes = True
        """Whether a stop leaves a checkpoint; before the first step there is nothing to write."""
        self._note = note
        self._before: dict[signal.Signals, Any] = {}
        self._first: tuple[int, float] | None = None

    @property
    def error(self) -> KeyboardInterrupt:
        """What ends the run once it has stopped: :class:`TerminatedError` after SIGTERM."""
        terminated = self._first is not None and self._first[0] == signal.SIGTERM
        return TerminatedError() if terminated else KeyboardInterrupt()

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is not None:
            if number != self._first[0] and now - self._first[1] < SAME:
                return
            # The usual handlers: a second Ctrl-C does not wait for the checkpoint.
            self._restore()
            os.kill(os.getpid(), number)
            return
        self.requested, self._first = True, (number, now)
        after = "after this step, once its checkpoint is written (again: stop at once, without it)"
        self._note(f"stopping {after if self.writes else 'before the next step: no checkpoint is written'}")

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
