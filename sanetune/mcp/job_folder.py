"""The folder of one job says what was asked, how far it is and what came of it.

Reading it needs nothing of the server that started the job.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sanetune.atomic import write_json

State = Literal["running", "finished", "failed", "stopped", "died"]

SAME = 2.0
"""Seconds by which two readings of a process's start may differ."""
BEGINNING = 300.0
"""Seconds that a process may take to be there."""
LOG_CHARACTERS = 2000
"""Characters of a job's log that are shown where it has died."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        done: Pieces of work done: checks, steps or rows.
        total: How many there are; None: not known.
        words: What is being done.
        phase: Part of the work: ``preparing``, ``checking`` or ``training``.
        run: Folder of the run that trains; empty: none does.
    """

    done: float = 0.0
    total: float | None = None
    words: str = "starting"
    phase: str = "preparing"
    run: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One job, as its folder tells; reading it needs nothing of the server that started it."""

    folder: Path

    @property
    def id(self) -> str:
        """Its name."""
        return self.folder.name

    @property
    def request(self) -> dict[str, object]:
        """Tool, arguments, roots, and when it began (seconds since 1970)."""
        return read(self.folder / "request.json")

    @property
    def tool(self) -> str:
        """The tool that was called."""
        return str(self.request.get("tool", ""))

    @property
    def progress(self) -> Progress:
        """How far it is."""
        try:
            return Progress(**read(self.folder / "progress.json"))  # type: ignore[arg-type]
        except TypeError:
            return Progress()

    @property
    def result(self) -> dict[str, object]:
        """What it has left: ``reply`` or ``error``; empty while it runs, or where it has died."""
        return read(self.folder / "result.json")

    @property
    def state(self) -> State:
        """Whether it runs, or how it ended; ``died``: it left no result, because a signal or a crash ended it."""
        alive = self.is_alive  # first: a job that ends between the two questions has left its result
        result = self.result
        if result:
            return "stopped" if result.get("stopped") else "failed" if "error" in result else "finished"
        if alive or self._begins:
            return "running"
        return "stopped" if (self.folder / "stop.json").exists() else "died"

    @property
    def _begins(self) -> bool:
        """Whether its process is still to come: the first one waits for the libraries."""
        began = self.request.get("began")
        there = (self.folder / "process.json").exists()
        return not there and isinstance(began, float) and time.time() - began < BEGINNING

    @property
    def is_alive(self) -> bool:
        """Whether its process is there: the same one, not another with its number."""
        import psutil

        process = read(self.folder / "process.json")
        try:
            found = psutil.Process(int(str(process["pid"])))
            same = abs(float(found.create_time()) - float(str(process["began"]))) < SAME
            return same and bool(found.status() != psutil.STATUS_ZOMBIE)
        except (psutil.Error, KeyError, ValueError, OverflowError):
            return False

    @property
    def last_words(self) -> str:
        """The end of its log."""
        try:
            with (self.folder / "log.txt").open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 4 * LOG_CHARACTERS))
                return file.read().decode("utf-8", "replace")[-LOG_CHARACTERS:].strip()
        except OSError:
            return ""

    def stop(self) -> str:
        """Ask it to end, as SIGTERM does; return which signal was sent.

        A training finishes its step and writes a checkpoint. Asked a second time it ends at once, without one; a third
        time its processes are killed.
        """
        pid = int(str(read(self.folder / "process.json").get("pid", 0)))
        asked = int(str(read(self.folder / "stop.json").get("asked", 0))) + 1
        write_json(self.folder / "stop.json", {"asked": asked})
        if not self.is_alive:
            return ""
        try:
            if asked > 2:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return ""
        return "SIGKILL" if asked > 2 else "SIGTERM"


def read(file: Path) -> dict[str, object]:
    """The JSON object in ``file``; empty where there is none."""
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
