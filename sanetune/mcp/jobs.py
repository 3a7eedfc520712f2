"""Jobs: processes that do the work of a call, each with a folder that outlives the server.

A job's folder is in sanetune's cache, below a name made of the server's roots: a server that is started again with the
same roots finds its jobs. It holds ``request.json``, ``process.json``, ``progress.json``, ``result.json``, ``log.txt``
and what the job leaves for resources. A job runs in a session of its own, so that it goes on when the server ends.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sanetune import units
from sanetune.atomic import write_json
from sanetune.data.cache import cache_folder, key_of
from sanetune.errors import RunError, UserError
from sanetune.mcp.launcher import Launcher
from sanetune.mcp.roots import Roots
from sanetune.text import one_line

State = Literal["running", "finished", "failed", "stopped", "died"]

MOST_RUNNING = 4
"""Jobs that run beside each other."""
MOST_KEPT = 100
"""Folders of jobs that are kept."""
NAME = re.compile(r"\d{8}-\d{6}-[a-z]+-[0-9a-f]{6}")
"""Names of jobs: when they began, their tool, and a random part."""
SAME = 2.0
"""Seconds by which two readings of a process's start may differ."""
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
        if alive:
            return "running"
        return "stopped" if (self.folder / "stop.json").exists() else "died"

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


class Jobs:
    """Starts jobs, and finds those that were started before.

    Args:
        roots: What their paths are confined to.
    """

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._launcher = Launcher(roots.folders[0])
        self.folder = cache_folder() / "mcp" / key_of(sorted(map(str, roots.folders)))

    def start(self, tool: str, arguments: Mapping[str, object]) -> Job:
        """Start a job and return it; it blocks until its process is there, seconds for the first.

        Raises:
            UserError: Too many run already.
            RunError: Its folder cannot be written, or no process can be started.
        """
        running = [job for job in self.all() if job.state == "running"]
        if len(running) >= MOST_RUNNING:
            raise UserError(
                f"{units.many(len(running), 'job is', 'jobs are')} running: {', '.join(f'{job.id} ({job.tool})' for job in running)}",
                "More of them would take each other's memory.",
                "Wait with status, or end one with stop.",
            )
        self._forget()
        job = Job(self._made(tool))
        request = {"tool": tool, "arguments": dict(arguments), "roots": list(map(str, self._roots.folders))}
        write_json(job.folder / "request.json", request | {"began": time.time()})
        write_json(job.folder / "process.json", self._launcher.launch(job.folder))
        return job

    def all(self) -> Sequence[Job]:
        """Every job, the newest first."""
        try:
            folders = [one for one in self.folder.iterdir() if NAME.fullmatch(one.name)]
        except OSError:
            return []
        return [Job(folder) for folder in sorted(folders, reverse=True)]

    def find(self, name: str) -> Job:
        """Return the job of this name.

        Raises:
            UserError: There is none.
        """
        for job in self.all():
            if job.id == name:
                return job
        raise UserError(f"There is no job {one_line(name, 60)!r}", remedy="status without arguments lists all jobs.")

    def of_run(self, run: Path) -> Job | None:
        """Return the newest job that trains or trained into the folder ``run``; None: this server started none."""
        real = run.resolve()
        trainings = (job for job in self.all() if job.tool == "train")
        return next((job for job in trainings if job.progress.run and Path(job.progress.run).resolve() == real), None)

    def close(self) -> None:
        """Let the launcher end; jobs go on."""
        self._launcher.close()

    def _made(self, tool: str) -> Path:
        folder = self.folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{tool}-{secrets.token_hex(3)}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise RunError(
                f"The folder of jobs {self.folder} cannot be written: {error.strerror or error}",
                remedy="Set SANETUNE_CACHE to a folder that you may write to.",
            ) from None
        return folder

    def _forget(self) -> None:
        for job in self.all()[MOST_KEPT:]:
            if not job.is_alive:
                shutil.rmtree(job.folder, ignore_errors=True)


def read(file: Path) -> dict[str, object]:
    """The JSON object in ``file``; empty where there is none."""
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
