"""The files that training has left, by SHA-256, and what ties them to the clearance with which they were trained.

SHA-256, because these files travel: it is what ``sha256sum`` prints and what the Hub shows of a weights file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sanetune.atomic import json_text
from sanetune.errors import RunError
from sanetune.runs import Run
from sanetune.text import shorten
from sanetune.typed_json import from_json, to_json

SCHEMA = 1
LARGEST = 8_000_000
"""Bytes of a record that is read."""

SILENT = re.compile(r"\..*|.*\.(md|svg|png)|LICENSE.*|NOTICE.*|clearance\.json", re.IGNORECASE)
"""Files that no library reads when it loads a model: the card, its badge, licences, hidden files, and the clearance
that travels with a model (a promoted one, or one on the Hub)."""

_THREADS = 4


@dataclass(frozen=True, slots=True)
class FileDigest:
    """One file: its SHA-256, in hexadecimal digits, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class TrainedFiles:
    """What a run's training ended with.

    Attributes:
        model: File below ``model/`` -> its digest.
        adapter: The same of ``adapter/``; empty where no adapter was trained.
        config: SHA-256 of ``config.yaml``.
        clearance: SHA-256 of ``clearance.json`` as the gate left it; "" where no gate was asked.
        schema: Raised with every change after which earlier records prove nothing.
    """

    model: dict[str, FileDigest]
    adapter: dict[str, FileDigest] = field(default_factory=dict)
    config: str = ""
    clearance: str = ""
    schema: int = SCHEMA


def record(run: Run) -> TrainedFiles:
    """Read every file of the run's model, write down what they are, and return it.

    Raises:
        RunError: The record cannot be written.
    """
    found = TrainedFiles(
        digests(run.model),
        digests(run.adapter),
        digest_of(run.config),
        clearance_digest(run.clearance),
    )
    run.write_json(run.trained_files, to_json(found))
    return found


def read_record(run: Run) -> tuple[TrainedFiles | None, str]:
    """Return the record in the run; or None, and in words why there is none."""
    name = run.trained_files.name
    if not run.trained_files.is_file():
        return None, f"the run has no {name}: it was trained by an earlier version, or its training has not ended"
    try:
        if run.trained_files.stat().st_size > LARGEST:
            return None, f"{name} is too large to be read"
        found = from_json(TrainedFiles, run.read_json(run.trained_files))
    except (RunError, OSError, RecursionError, ValueError):
        return None, f"{name} is broken and proves nothing"
    if found.schema != SCHEMA:
        return None, f"{name} was written by another version of sanetune"
    return found, ""


def digests(folder: Path) -> dict[str, FileDigest]:
    """Return the digest of each file below ``folder`` that a library may load, by its path in it.

    Raises:
        OSError: A file cannot be read.
    """
    files = list(_files(folder))
    with ThreadPoolExecutor(_THREADS) as pool:
        done = pool.map(lambda file: FileDigest(digest_of(file), file.stat().st_size), files)
        return {file.relative_to(folder).as_posix(): one for file, one in zip(files, done, strict=True)}


def digest_of(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits; "" where there is none."""
    if not file.is_file():
        return ""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def clearance_digest(file: Path) -> str:
    """Return the SHA-256 of a ``clearance.json`` without what `sanetune verify` notes in it after training."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not found.get("served"):
        return digest_of(file)
    return hashlib.sha256(json_text(found | {"served": []}).encode("utf-8", "replace")).hexdigest()


def changes(recorded: Mapping[str, FileDigest], there: Mapping[str, FileDigest]) -> list[str]:
    """Return in words what differs between two folders of files; nothing where they are the same.

    >>> old, new = FileDigest("ab" * 32, 8), FileDigest("cd" * 32, 5)
    >>> changes({"a": old, "b": old, "c": old}, {"a": old, "b": new, "d": new})
    ['b has 5 bytes, was trained with 8', 'c is gone', 'd was not there after training']
    """
    found = []
    for name in dict.fromkeys([*recorded, *there]):
        shown, old, now = shorten(name, 100), recorded.get(name), there.get(name)
        if old is None:
            found.append(f"{shown} was not there after training")
        elif now is None:
            found.append(f"{shown} is gone")
        elif old.size != now.size:
            found.append(f"{shown} has {now.size:,} bytes, was trained with {old.size:,}")
        elif old != now:
            found.append(f"{shown} has other content: SHA-256 {now.sha256[:12]}, was trained with {old.sha256[:12]}")
    return found


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not hidden and not SILENT.fullmatch(file.name):
            yield file
