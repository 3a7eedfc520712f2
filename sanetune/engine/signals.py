"""Ctrl-C and SIGTERM: finish the step, write a checkpoint, then stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        # From now on the usual handlers: a second Ctrl-C does not wait for the checkpoint.
        self._restore()
        after = "after this step, once its checkpoint is written (again: stop at once, without it)"
        self._note(f"stopping {after if self.writes else 'before the next step: no checkpoint is written'}")

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
