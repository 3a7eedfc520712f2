"""The process of one job: does the work of a request, and leaves progress and result in its folder."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sanetune.atomic import write_json
from sanetune.mcp.job_folder import read
from sanetune.text import escape_control, one_line

STOPPED: dict[str, object] = {"stopped": True, "error": {"kind": "Stopped", "message": "It was stopped."}}
"""The result of a job that was asked to end."""


def run(folder: str) -> int:
    """Do the work of the job in ``folder``, and return the exit code of its process: 0 where it has left a reply.

    Everything that libraries print goes into ``log.txt``.
    """
    home = Path(folder)
    _detach(home)
    _introduce(home)
    was_stopped = (home / "stop.json").exists()  # while it was waiting for the libraries
    result = STOPPED if was_stopped else _result(home, read(home / "request.json"))
    write_json(home / "result.json", result)
    return 0 if "reply" in result else 1


def _introduce(home: Path) -> None:
    """Note which process this is; numbers of processes are used again."""
    import psutil

    process = psutil.Process()
    write_json(home / "process.json", {"pid": process.pid, "began": process.create_time()})


def leave(code: int) -> NoReturn:
    """End the process with ``code``, as Python ends one: what is registered for the end is done."""
    sys.exit(code)


def _detach(home: Path) -> None:
    """Take a session of its own, close the input, and send all output into the log."""
    if hasattr(os, "setsid"):
        with contextlib.suppress(PermissionError):  # it leads one already
            os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminate)
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(home / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    from sanetune.engine.signals import TerminatedError

    raise TerminatedError


def _result(home: Path, request: Mapping[str, object]) -> dict[str, object]:
    """The reply of the work, or the error that ended it."""
    from sanetune.mcp.work import do
    from sanetune.workflows.faults import user_error

    try:
        return {"reply": do(home, request)}
    except KeyboardInterrupt:
        return STOPPED
    except Exception as error:  # noqa: BLE001 -- the process ends here: a bug goes into its log and its result
        known = user_error(error)
        if known is None:
            traceback.print_exc()
            words = one_line(f"{type(error).__name__}: {error}", 400)
            return {"error": {"kind": "Crash", "message": f"The work has crashed: {words}"}}
        parts = {name: escape_control(str(getattr(known, name))) for name in ("message", "rationale", "remedy")}
        place = "" if known.place is None else str(known.place)
        return {"error": {"kind": type(known).__name__, **parts, "place": place, "fix": known.fix}}


if __name__ == "__main__":
    leave(run(sys.argv[1]))
