"""Keep prepared data on disk, in folders named after everything that their content depends on."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.config.machine import local_rank
from sanetune.errors import RunError

if TYPE_CHECKING:
    import pyarrow as pa


def cache_folder() -> Path:
    """Return where prepared data is kept: ``$SANETUNE_CACHE``, or sanetune's folder in the user's cache."""
    if home := os.environ.get("SANETUNE_CACHE"):
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sanetune"


def key_of(parts: object, *, code: bool = False) -> str:
    """Return a hash (32 hex digits) of ``parts``, which JSON can write; ``code``: and of all Python files of this
    package, so that data prepared by other code is never taken for ours."""
    import json

    import xxhash

    digest = xxhash.xxh3_128(json.dumps(parts, sort_keys=True).encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")) if code else ():
        digest.update(file.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a scratch folder that becomes ``folder`` when all went well, so that nothing half-written is ever read.

    What another process has put there meanwhile is as good, and stays: that process reads from it.

    Raises:
        RunError: The cache cannot be written, or the disk is full.
    """
    before = _identity(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    except OSError as error:
        raise RunError(
            f"The cache folder {folder.parent} cannot be written: {error.strerror}",
            "Prepared data is kept there so that the next run starts at once.",
            "Set the environment variable SANETUNE_CACHE to a folder that you can write to.",
        ) from None
    try:
        yield scratch
    except BaseException as error:
        shutil.rmtree(scratch, ignore_errors=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise RunError(
                f"The disk is full: prepared data could not be written to {folder.parent}.",
                "Nothing half-written was left behind.",
                "Free some space, or set SANETUNE_CACHE to a folder on another disk.",
            ) from None
        raise
    now = _identity(folder)
    if now is not None and (local_rank() or now != before):
        shutil.rmtree(scratch, ignore_errors=True)
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        os.replace(scratch, folder)
    except OSError:  # another process has just put the same content there
        shutil.rmtree(scratch, ignore_errors=True)


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from one that is put in its place; None where there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def open_table(file: Path) -> pa.Table:
    """Return an Arrow stream file as a table, memory-mapped: its rows are read from disk as they are used."""
    import pyarrow as pa

    return pa.ipc.open_stream(pa.memory_map(str(file))).read_all()


def read_batches(file: Path) -> Iterator[pa.RecordBatch]:
    """Read the record batches of an Arrow stream file one after the other, without mapping the file: pages of a
    mapped file count as memory of the process."""
    import pyarrow as pa

    with pa.OSFile(str(file)) as source:
        yield from pa.ipc.open_stream(source)
