"""Jobs: processes that do the work of a call, each with a folder that outlives the server.

A job's folder is in sanetune's cache, below a name made of the server's roots: a server that is started again with the
same roots finds its jobs. It holds ``request.json``, ``process.json``, ``progress.json``, ``result.json``, ``log.txt``
and what the job leaves for resources. A job runs in a session of its own, so that it goes on when the server ends.
"""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sanetune import units
from sanetune.atomic import write_json
from sanetune.data.cache import cache_folder, key_of
from sanetune.errors import RunError, UserError
from sanetune.mcp.job_folder import Job
from sanetune.mcp.launcher import Launcher
from sanetune.mcp.roots import Roots
from sanetune.text import one_line

MOST_RUNNING = 4
"""Jobs that run beside each other."""
MOST_KEPT = 100
"""Folders of jobs that are kept."""
NAME = re.compile(r"\d{8}-\d{6}-[a-z]+-[0-9a-f]{6}")
"""Names of jobs: when they began, their tool, and a random part."""


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
        """Start a job and return it, at once: the process of the first one waits seconds for the libraries.

        Raises:
            UserError: Too many run already.
            RunError: Its folder cannot be written.
        """
        running = [job for job in self.all() if job.state == "running"]
        if len(running) >= MOST_RUNNING:
            names = ", ".join(job.id for job in running)
            raise UserError(
                f"{units.many(len(running), 'job is', 'jobs are')} running: {names}",
                "More of them would take each other's memory.",
                "Wait with status, or end one with stop.",
            )
        self._forget()
        job = Job(self._made(tool))
        request = {"tool": tool, "arguments": dict(arguments), "roots": list(map(str, self._roots.folders))}
        write_json(job.folder / "request.json", request | {"began": time.time()})
        threading.Thread(target=self._launch, args=[job], daemon=True).start()
        return job

    def _launch(self, job: Job) -> None:
        try:
            self._launcher.launch(job.folder)
        except (RunError, OSError) as error:
            fault = {"kind": "RunError", "message": f"No process can be started for the job: {error}"}
            write_json(job.folder / "result.json", {"error": fault})

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
