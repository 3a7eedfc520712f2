"""One training at a time in the folder of a run.

The process that trains holds a lock on a small file in the folder, which says who it is, and takes the file away at the
end. The lock goes with its process, however that ends; where a file system has none, the process that the file names
is looked up. Of several processes of one launch the main one alone holds it.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sanetune.errors import Place, RunError

NAME = ".training.lock"
SAME = 2.0
"""Seconds by which two readings of a process's start may differ: its clock ticks, and the machine's may be set."""
LARGEST = 10_000
"""Bytes of the file that are read."""

_ours: set[Path] = set()
"""Files that this process holds. None of them may be opened again: the lock of a process is gone as soon as it closes
the file anywhere."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who trains in a folder.

    Attributes:
        process: Id of the process.
        process_began: When it began, in seconds since 1970: ids are used again.
        host: Name of its machine.
        since: When it began to train there, in UTC.
    """

    process: int
    process_began: float
    host: str
    since: str

    @property
    def is_alive(self) -> bool | None:
        """Whether the process is still there; None: another machine would have to be asked."""
        return is_alive(self.process, self.process_began, self.host)


def is_alive(process: int, began: float, host: str) -> bool | None:
    """Return whether a process of machine ``host`` that began ``began`` seconds after 1970 is still there.

    None: it is one of another machine, whose numbers mean nothing here.
    """
    import psutil

    if host != platform.node():
        return None
    try:
        return abs(float(psutil.Process(process).create_time()) - began) < SAME
    except (psutil.Error, ValueError, OverflowError, TypeError):
        return False


def refuse_second(folder: Path) -> None:
    """Raise :class:`RunError` where another process of this machine is training in ``folder``. Nothing is written."""
    file = _file(folder)
    if file not in _ours and (holder := _read(file)) is not None and holder.is_alive:
        raise _taken(folder, holder)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the one that trains in ``folder``, which is made where it is missing.

    Raises:
        RunError: Another process trains there, or the folder cannot be written.
    """
    file = _file(folder)
    if file in _ours:
        raise _taken(folder, _mine())
    refuse_second(folder)
    handle = _acquired(folder, file)
    _ours.add(file)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(asdict(_mine())).encode())
        yield
    finally:
        _ours.discard(file)
        with contextlib.suppress(OSError):
            os.ftruncate(handle, 0)  # Windows keeps a file that a process has: then it names nobody
            file.unlink()
        os.close(handle)


def _acquired(folder: Path, file: Path) -> int:
    """The open file, locked."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            # The file is none of a run's if it is a link: what that points to is not to be written.
            handle = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
            if not _lock(handle):
                os.close(handle)
                raise _taken(folder, _read(file))
            if _is_at(handle, file):
                return handle
            os.close(handle)  # who had it has taken the file away between the two
    except OSError as error:
        raise RunError(
            f"The run folder {folder} cannot be written: {error.strerror or error}.",
            remedy="Set run.output_dir to a folder that you may write to.",
            place=Place(file=folder),
        ) from None


def _lock(handle: int) -> bool:
    """Whether the lock is had; also where the file system has no locks, or Windows."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not flock: workers that outlive a kill would keep that
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _is_at(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), file.lstat())
    except FileNotFoundError:
        return False


def _file(folder: Path) -> Path:
    return Path(os.path.realpath(folder)) / NAME


def _read(file: Path) -> Holder | None:
    """Who the file names; None where it names nobody, or cannot be read."""
    try:
        with file.open("rb") as stream:
            found = json.loads(stream.read(LARGEST))
        return Holder(int(found["process"]), float(found["process_began"]), str(found["host"]), str(found["since"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _mine() -> Holder:
    import psutil

    process = psutil.Process(os.getpid())
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Holder(process.pid, float(process.create_time()), platform.node(), now)


def _taken(folder: Path, holder: Holder | None) -> RunError:
    who = "Another process" if holder is None else f"Process {holder.process} on {holder.host}"
    since = "" if holder is None else f" since {holder.since}"
    return RunError(
        f"{who} is training in {folder}{since}.",
        "Two in one folder would write over each other's checkpoints, model and records.",
        "Wait until it has ended, or choose another run.name or run.output_dir.",
    )
