"""The folder of a W&B run that was logged offline (or the local copy of one that was synced).

Its ``run-ID.wandb`` is a file of LevelDB's log format with protocol buffers as records. The records are parsed with
wandb's own definitions; the frame around them, which wandb's Python package no longer reads, is read here
(https://github.com/google/leveldb/blob/main/doc/log_format.md).
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.curves.logs.log import Log, checked_size
from sanetune.curves.logs.planned import with_plan
from sanetune.errors import DataError, Place

if TYPE_CHECKING:
    from wandb.proto.wandb_internal_pb2 import Record

KIND = "offline run of W&B"
MAGIC = b":W&B"
FILE_HEADER = 7
BLOCK = 32_768
"""Bytes of a block; no record's header crosses its end."""
HEADER = struct.Struct("<IHB")
"""Checksum, length and type of a piece of a record."""
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def files(path: Path) -> list[Path]:
    """The files of W&B runs in ``path`` and one or two folders below (``wandb/offline-run-DATE-ID/run-ID.wandb``); each
    once, though W&B links the latest, which may be ``path`` itself (``wandb/latest-run``)."""
    found = [file for pattern in ("*.wandb", "*/*.wandb", "*/*/*.wandb") for file in sorted(path.glob(pattern))]
    return sorted(
        {file.resolve(): file for file in found if file.parent == path or not file.parent.is_symlink()}.values()
    )


def read(path: Path) -> Log:
    """The log in a ``run-ID.wandb`` file.

    Raises:
        DataError: wandb is not installed, or the file holds no loss.
    """
    if importlib.util.find_spec("wandb") is None:
        raise DataError(
            "this is a run of W&B, and the package wandb is not installed",
            "Its file is in a format of its own, which wandb's package defines.",
            "pip install 'sanetune[wandb]', or give another log of the run.",
            Place(path),
        )
    entries: list[dict[str, object]] = []
    config: dict[str, object] = {}
    for record in _records(path):
        if record.HasField("history"):
            entries.append(
                {".".join(item.nested_key) or item.key: _value(item.value_json) for item in record.history.item}
            )
        for update in (record.config.update, record.run.config.update):
            config |= {item.key: _value(item.value_json) for item in update if item.key}
    return with_plan(Log.of(path, KIND, entries), config)


def _records(path: Path) -> Iterator[Record]:
    """The records of the file; those after a damaged one, which a killed run leaves at the end, are left out."""
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record

    data = checked_size(path).read_bytes()
    if not data.startswith(MAGIC):
        raise DataError("this is not a file of a W&B run", "Nothing of the run is known.", "", Place(path))
    for framed in _frames(data):
        record = Record()
        with contextlib.suppress(DecodeError):
            record.ParseFromString(framed)
            yield record


def _frames(data: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log, each put together from its pieces."""
    at, pieces = FILE_HEADER, b""
    while at + HEADER.size <= len(data):
        if BLOCK - at % BLOCK < HEADER.size:  # the rest of a block is too short for a header
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = HEADER.unpack_from(data, at)
        at += HEADER.size
        if kind not in (FULL, FIRST, MIDDLE, LAST) or at + length > len(data):
            return
        piece, at = data[at : at + length], at + length
        pieces = piece if kind in (FULL, FIRST) else pieces + piece
        if kind in (FULL, LAST):
            yield pieces


def _value(text: str) -> object:
    """A value as W&B stores it: JSON, where NaN and infinity stand as they are or as texts."""
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
        return float(value) if value in ("NaN", "Infinity", "-Infinity") else value
    return None
