"""Ends a process whose starter is gone: nobody would see it train on, and it would hold its devices."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

EVERY = 2.0
"""Seconds after which the parent is asked for again."""


def end_when_orphaned(parent: int | None = None, every: float = EVERY, end: Callable[[], None] | None = None) -> None:
    """Ask this process to end, as by SIGTERM, once ``parent`` has ended: it finishes its step and writes a checkpoint.

    A process that was started by another is not told when that is killed with SIGKILL, which leaves no time to
    end others.

    Args:
        parent: Process that started this one; None: today's parent.
        every: Seconds after which that is asked again.
        end: What is called then; None: SIGTERM for this process.
    """
    expected = os.getppid() if parent is None else parent
    act = end or (lambda: os.kill(os.getpid(), signal.SIGTERM))

    def watch() -> None:
        while os.getppid() == expected:
            time.sleep(every)
        act()

    threading.Thread(target=watch, name="orphan watch", daemon=True).start()
