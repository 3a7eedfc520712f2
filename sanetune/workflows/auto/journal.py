"""The journal: one line of JSON for everything that was decided, done and spent. A resumed run knows nothing else.

A line is on the disk before what it says is acted on. A line that a kill has left unfinished is dropped: what it
said was not acted on yet.
"""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sanetune.atomic import name_non_finite
from sanetune.errors import Place, RunError

SCHEMA = 1
NAME = "journal.jsonl"
LARGEST = 64_000_000
"""Bytes of a journal that is read: a day of an autopilot has some hundred thousand."""


class Journal:
    """A journal in a folder; one process writes it at a time.

    Args:
        folder: The autopilot's; it is made by the first entry.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / NAME
        self.entries: list[dict[str, Any]] = []
        self._out: IO[bytes] | None = None
        self._lock = threading.Lock()

    @classmethod
    def read(cls, folder: Path) -> Journal:
        """Return the journal in ``folder`` with its entries; none where there is no file.

        Raises:
            RunError: A line before the last cannot be read.
        """
        made = cls(folder)
        made.entries = [*_entries(made.file)]
        return made

    def add(self, kind: str, **values: object) -> dict[str, Any]:
        """Write an entry, and return it; it is on the disk then.

        Raises:
            RunError: It cannot be written, or another process writes this journal.
        """
        with self._lock:
            entry = {
                "schema": SCHEMA,
                "n": len(self.entries),
                "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "kind": kind,
                **values,
            }
            line = json.dumps(name_non_finite(entry), ensure_ascii=False, allow_nan=False, default=str)
            try:
                out = self._open()
                out.write(line.encode("utf-8", "replace") + b"\n")
                out.flush()
                os.fsync(out.fileno())
            except OSError as error:
                raise RunError(
                    f"{self.file} cannot be written: {error.strerror or error}.",
                    "Without its journal nothing could be resumed.",
                    "Free some space, or give another folder with --out.",
                ) from None
            # As it will be read: what is decided now has to be what a resumed run decides.
            self.entries.append(json.loads(line))
            return self.entries[-1]

    def close(self) -> None:
        """Let another process write."""
        with self._lock:
            if self._out is not None:
                self._out.close()
                self._out = None

    def _open(self) -> IO[bytes]:
        if self._out is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            out = self.file.open("a+b")
            _lock_file(out, self.file)
            _drop_torn_line(out)
            self._out = out
        return self._out


def _lock_file(out: IO[bytes], file: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no such locks; there two would have to be kept apart by hand
        return
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        out.close()
        raise RunError(
            f"Another process writes {file}.",
            "Two autopilots in one folder would undo each other's work.",
            "Wait until it is done, or give another folder with --out.",
        ) from None


def _drop_torn_line(out: IO[bytes]) -> None:
    """Drop the beginning of a line that was never finished."""
    size = out.seek(0, os.SEEK_END)
    back = min(size, 1 << 20)
    out.seek(size - back)
    tail = out.read(back)
    if tail and not tail.endswith(b"\n"):
        out.truncate(size - back + tail.rfind(b"\n") + 1)
    out.seek(0, os.SEEK_END)


def _entries(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    if file.stat().st_size > LARGEST:
        raise _unreadable(file, None, "it is too large")
    lines = file.read_bytes().split(b"\n")
    found = []
    for number, line in enumerate(lines[:-1], 1):  # behind the last end of a line is nothing, or an unfinished one
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            raise _unreadable(file, number, "it is no JSON") from None
        if not isinstance(entry, dict) or entry.get("schema") != SCHEMA or not isinstance(entry.get("kind"), str):
            raise _unreadable(file, number, "it is no entry of a journal of this version")
        found.append(entry)
    return found


def _unreadable(file: Path, line: int | None, reason: str) -> RunError:
    return RunError(
        f"The journal cannot be read: {reason}.",
        "It is all that a resumed run knows.",
        "Begin anew in another folder (--out).",
        Place(file, line),
    )
