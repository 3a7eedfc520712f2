"""Lets code of the user's own run without writing a file, beginning a program or reaching another machine."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED = {
    "os.remove": "removes", "os.rename": "moves", "os.mkdir": "makes", "os.rmdir": "removes", "os.link": "links",
    "os.symlink": "links", "os.truncate": "writes", "os.system": "runs", "os.posix_spawn": "runs",
    "subprocess.Popen": "runs", "socket.connect": "connects to",
}  # fmt: skip
"""Events of Python's audit (PEP 578) besides the opening of files, and what they do."""


class RefusedError(PermissionError):
    """What was about to be done, in words."""


@dataclass(slots=True)
class Watched:
    """What was refused.

    Attributes:
        allowed: Folders that may be written to.
    """

    allowed: tuple[Path, ...]
    thread: int = field(default_factory=threading.get_ident)
    refused: list[str] = field(default_factory=list)


_watched: list[Watched] = []
_installed: list[bool] = []


@contextmanager
def reading_only(folder: Path) -> Iterator[Watched]:
    """Refuse what leaves a trace outside of ``folder`` and of the folder of temporary files, in this thread.

    Raises:
        RefusedError: Inside, where something is refused; it is also noted, for code that catches it.
    """
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    watched = Watched((folder.resolve(), Path(tempfile.gettempdir()).resolve(), Path("/dev")))
    _watched.append(watched)
    try:
        yield watched
    finally:
        _watched.pop()


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _watched or (event != "open" and event not in _REFUSED):
        return
    watched, (subject, *more) = _watched[-1], arguments or (None,)
    if threading.get_ident() != watched.thread:
        return
    if event == "open" and (isinstance(subject, int) or not int(more[-1] or 0) & _WRITING):  # type: ignore[call-overload]
        return
    if event == "socket.connect":
        subject = more[0] if more else subject
    elif isinstance(subject, str | bytes) and _is_allowed(os.fsdecode(subject), watched):
        return
    done = f"{'writes' if event == 'open' else _REFUSED[event]} {subject}"
    watched.refused.append(done)
    raise RefusedError(done)


def _is_allowed(path: str, watched: Watched) -> bool:
    where = Path(os.path.realpath(path))
    return any(where.is_relative_to(one) for one in watched.allowed)
