"""Checksums of all files of a folder, kept in it: what a torn write or a bad copy has changed is found.

XXH3 (128 bits) reads about as fast as memory. It finds accidents; somebody who changes a file on purpose can change its
checksum too, and so nothing that is read here may run code in the first place.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

from sanetune.errors import RunError

FILE = "checksums.json"
LARGEST = 16 * 2**20
"""Bytes of :data:`FILE` that are read: a line for each of a hundred thousand files has fewer."""
_CHUNK = 2**22


def write_checksums(folder: Path) -> None:
    """Write the size in bytes and checksum of every file in ``folder`` into its ``checksums.json``."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != FILE:
            files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "xxh3_128": _digest_of(path)}
    (folder / FILE).write_text(json.dumps({"version": 1, "files": files}, indent=1) + "\n", encoding="utf-8")


def fault_of(folder: Path) -> str | None:
    """Return what is wrong with the files of ``folder`` by its checksums, in a few words; None: they are as written.

    Raises:
        RunError: The folder has no checksums.
    """
    file = folder / FILE
    if not file.exists() and not file.is_symlink():
        raise RunError(f"{folder} has no {FILE}.")
    try:
        if file.is_symlink() or file.stat().st_size > LARGEST:
            return f"{FILE} is not a file that a run has written"
        listed = json.loads(file.read_text(encoding="utf-8"))["files"]
        expected = {str(name): (int(one["bytes"]), str(one["xxh3_128"])) for name, one in listed.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{FILE} cannot be read"
    for name, (size, digest) in expected.items():
        if fault := _fault(folder, name, size, digest):
            return fault
    return None


def has_checksums(folder: Path) -> bool:
    """Return whether ``folder`` has a list of checksums."""
    return (folder / FILE).is_file()


def _fault(folder: Path, name: str, size: int, digest: str) -> str | None:
    path = folder / name
    # A name may point anywhere, and so may a link.
    if not path.resolve().is_relative_to(folder.resolve()):
        return f"{name} leads out of the folder"
    try:
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size:,} bytes instead of {size:,}"
        if _digest_of(path) != digest:
            return f"{name} is not what was written"
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    return None


def _digest_of(path: Path) -> str:
    stat = path.stat()
    return _digest(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)


@functools.lru_cache(4096)
def _digest(path: str, size: int, changed: int, inode: int) -> str:
    """The checksum of a file, computed again when the file has changed: a run asks several times at its start."""
    from xxhash import xxh3_128

    digest = xxh3_128()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
