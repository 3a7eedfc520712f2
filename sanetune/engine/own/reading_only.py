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
    "os.symlink": "links", "os.truncate": "writes", "os.chmod": "changes", "os.system": "runs",
    "os.posix_spawn": "runs", "subprocess.Popen": "runs", "socket.connect": "connects to",
}  # fmt: skip
"""Events of Python's audit (PEP 578) besides the opening of files, and what they do."""
_PATHS = {
    "os.remove": ((0, 1),), "os.rename": ((0, 2), (1, 3)), "os.mkdir": ((0, 2),), "os.rmdir": ((0, 1),),
    "os.link": ((1, 3),), "os.symlink": ((1, 2),), "os.truncate": ((0, None),), "os.chmod": ((0, 2),),
}  # fmt: skip
"""Event -> of each path that it changes the place among its arguments, and that of the open folder it counts from."""


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
    watched = _watched[-1]
    if threading.get_ident() != watched.thread:
        return
    subject = _forbidden(event, arguments, watched)
    if subject is None:
        return
    done = f"{'writes' if event == 'open' else _REFUSED[event]} {subject}"
    watched.refused.append(done)
    raise RefusedError(done)


def _forbidden(event: str, arguments: tuple[object, ...], watched: Watched) -> object:
    """What may not be written, run or reached; None where nothing is forbidden."""
    if event == "open":
        path, flags = arguments[0], arguments[-1]
        writes = isinstance(path, str | bytes) and isinstance(flags, int) and flags & _WRITING
        return None if not writes or _is_allowed(os.path.realpath(os.fsdecode(path)), watched) else path  # type: ignore[arg-type]
    if event not in _PATHS:
        return arguments[1] if event == "socket.connect" else arguments[0]
    for at, beside in _PATHS[event]:
        path, folder = arguments[at], -1 if beside is None else arguments[beside]
        # What has a number is a file that was opened under the same rule.
        if isinstance(path, str | bytes) and not _is_allowed(_place(os.fsdecode(path), folder), watched):
            return path
    return None


def _place(path: str, folder: object) -> str:
    """Where ``path`` is, which counts from an open ``folder`` (its number; below 0: the working one). A link at its end
    is what is removed or moved, not what it leads to."""
    if isinstance(folder, int) and folder >= 0:
        try:
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
        except OSError:  # a system without /proc
            return path if os.path.isabs(path) else os.path.join(os.sep, path)
    parent, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(parent), name)


def _is_allowed(path: str, watched: Watched) -> bool:
    return any(Path(path).is_relative_to(one) for one in watched.allowed)
