"""Starts the processes of jobs from one that has the libraries imported, which takes seconds each time otherwise."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

from sanetune.errors import RunError
from sanetune.mcp import nursery

FORKS = hasattr(os, "fork")
"""Whether this system can start a process from one that has the libraries."""


class Launcher:
    """Keeps one process (:mod:`sanetune.mcp.nursery`) that starts jobs; it is there from the first job on.

    Args:
        folder: Where jobs work: relative names that a library opens are looked up there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nursery: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def launch(self, job: Path) -> None:
        """Start the job in the folder ``job``; its process notes there which one it is.

        Raises:
            RunError: No process can be started.
        """
        with self._lock:
            if FORKS:
                self._fork(job)
            else:
                self._popen("sanetune.mcp.job", str(job), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def close(self) -> None:
        """End the process that starts jobs; the jobs go on."""
        if self._nursery is not None:
            for pipe in (self._nursery.stdin, self._nursery.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._nursery.wait(1)
            self._nursery = None

    def _fork(self, job: Path) -> None:
        for _ in range(2):  # once more with a new one, where it was killed since the last job
            if self._nursery is None or self._nursery.poll() is not None:
                self._nursery = self._popen(nursery.__name__, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert self._nursery.stdin is not None and self._nursery.stdout is not None
            with contextlib.suppress(OSError, ValueError):
                self._nursery.stdin.write(f"{job}\n")
                self._nursery.stdin.flush()
                if self._nursery.stdout.readline():
                    return
            self.close()
        raise RunError("the process that starts jobs has ended", remedy="Check the machine's memory and processes.")

    def _popen(self, module: str, *words: str, stdin: int, stdout: int) -> subprocess.Popen[str]:
        # Without it `-m` imports from the folder that the agent writes to, in this process and in those that it starts.
        safe = os.environ | {"PYTHONSAFEPATH": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            env=safe,
            text=True,
            start_new_session=True,
        )
