"""Open a text file, compressed or not, and refuse what is no UTF-8 text before it is read."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from sanetune.data.sources.row import NO_ROWS, UNDERSTOOD, pasted
from sanetune.errors import DataError, Place

MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"PK\x03\x04": "zip",
}
"""First bytes of files that are no text -> what they are."""

BOMS = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""Byte order marks of encodings that are not read."""


@contextmanager
def open_text(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """Give (decompressed bytes after a UTF-8 byte order mark, length of that mark in bytes).

    Raises:
        DataError: The file is empty, or no UTF-8 text by its first bytes.
    """
    with _opened(path) as stream:
        head = stream.peek(4096)[:4096]  # type: ignore[attr-defined]
        if not head:
            raise DataError("the file is empty", NO_ROWS, "Name another file.", Place(path))
        for magic, name in MAGIC.items():
            if head.startswith(magic):
                raise DataError(
                    f"the content is {name}, the name says {''.join(path.suffixes)}",
                    "",
                    f"Rename the file so that its ending says what it is ({UNDERSTOOD}).",
                    Place(path),
                )
        _refuse_wide(path, head)
        yield stream, len(stream.read(3)) if head.startswith(b"\xef\xbb\xbf") else 0


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        with gzip.open(path, "rb") as stream:
            yield cast("IO[bytes]", stream)
    elif suffix == ".zst":
        import io

        import pyarrow as pa  # and not zstandard, whose stream ends without an error where a file is incomplete

        with pa.input_stream(str(path), compression="zstd") as unpacked:
            yield io.BufferedReader(unpacked, 2**20)
    else:
        with path.open("rb", buffering=2**20) as plain:
            yield plain


def _refuse_wide(path: Path, head: bytes) -> None:
    """DataError for UTF-16 and UTF-32, recognised by their byte order mark or by every second byte being zero."""
    name = next((name for bom, name in BOMS.items() if head.startswith(bom)), "")
    offset = 0
    if not name and head.count(0) * 3 > len(head):
        name, offset = "UTF-16" if head.count(0) * 3 < len(head) * 2 else "UTF-32", head.index(0)
    if name:
        raise DataError(
            f"the file looks like {name} (byte 0x{head[offset]:02x} at offset {offset}), not UTF-8",
            "Data files are read as UTF-8.",
            f"Convert it: iconv -f {name} -t UTF-8 {pasted(path)} > utf8-file",
            Place(path, line=1),
        )
