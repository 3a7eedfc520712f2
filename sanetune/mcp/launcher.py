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

    def launch(self, job: Path) -> dict[str, float]:
        """Start the job in the folder ``job``, and return its number and the time it began (seconds since 1970).

        Raises:
            RunError: No process can be started.
        """
        import psutil

        with self._lock:
            pid = self._forked(job) if FORKS else self._alone(job)
        try:
            return {"pid": pid, "began": psutil.Process(pid).create_time()}
        except psutil.Error:  # over already
            return {"pid": pid, "began": 0.0}

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

    def _forked(self, job: Path) -> int:
        for _ in range(2):  # once more with a new one, where it was killed since the last job
            if self._nursery is None or self._nursery.poll() is not None:
                self._nursery = self._popen(nursery.__name__, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert self._nursery.stdin is not None and self._nursery.stdout is not None
            with contextlib.suppress(OSError, ValueError):
                self._nursery.stdin.write(f"{job}\n")
                self._nursery.stdin.flush()
                return int(self._nursery.stdout.readline())
            self.close()
        raise RunError("No process can be started for the job.", remedy="Check the machine's memory and processes.")

    def _alone(self, job: Path) -> int:
        return self._popen("sanetune.mcp.job", str(job), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid

    def _popen(self, module: str, *words: str, stdin: int, stdout: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            text=True,
            start_new_session=True,
        )
