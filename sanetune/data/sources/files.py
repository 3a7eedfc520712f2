"""One local file as rows, whatever it is written in: opened, checked and read as a stream.

Which kind a file is follows from its name; what stands inside is looked at before a byte of it is believed.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from sanetune.errors import DataError, Place
from sanetune.text import did_you_mean, listing, quote

ROW_LIMIT = 64 * 2**20
"""Bytes that one row may take as text. A longer one is a missing line break or quote, not an example."""

TEXT_KINDS = {".json": "json", ".jsonl": "lines", ".ndjson": "lines", ".csv": "csv", ".tsv": "tsv"}
TABLE_KINDS = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow"}
COMPRESSIONS = (".gz", ".zst")
UNDERSTOOD = ".json, .jsonl, .ndjson, .csv, .tsv (each also as .gz or .zst), .parquet, .arrow"

MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"PK\x03\x04": "zip",
}
BOMS = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Row(NamedTuple):
    """One row as read: where it stands, and its columns."""

    place: Place
    values: dict[str, Any]


def kind_of(path: Path) -> str | None:
    """``json``, ``lines``, ``csv``, ``tsv``, ``parquet`` or ``arrow`` by the file's name; None for any other file."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        return TEXT_KINDS.get(suffixes[-2]) if len(suffixes) > 1 else None
    last = suffixes[-1] if suffixes else ""
    return TEXT_KINDS.get(last) or TABLE_KINDS.get(last)


Bad = Callable[[DataError], None]
"""Hears of a row that cannot be read, and reading goes on."""


def read_file(path: Path, bad: Bad | None = None) -> Iterator[Row]:
    """Rows of one file in order, never the whole file in memory. Raises DataError with the place of what is wrong.

    With ``bad``, broken lines of JSON Lines are told to it instead; a file of another kind that is broken somewhere
    cannot be read beyond that place, and raises.
    """
    from sanetune.data.sources import jsonlines, jsontext, tables

    kind = _known(path)
    readers = {
        "json": jsontext.read_values,
        "csv": tables.read_csv,
        "tsv": tables.read_csv,
        "parquet": tables.read_parquet,
        "arrow": tables.read_arrow,
    }
    with _said(path):
        if kind in ("json", "lines"):  # each is often written under the other's name
            kind = "lines" if jsonlines.is_lines(path) else "json"
        yield from jsonlines.read_lines(path, bad) if kind == "lines" else readers[kind](path)


def count_rows(path: Path) -> int:
    """How many rows :func:`read_file` would give. Of JSON Lines only lines are counted, of Parquet the footer read."""
    from sanetune.data.sources import jsonlines, tables

    kind = _known(path)
    with _said(path):
        if kind in ("json", "lines") and jsonlines.is_lines(path):
            return jsonlines.count_lines(path)
        if kind == "parquet":
            return tables.count_parquet(path)
        return sum(1 for _ in read_file(path))


@contextmanager
def open_text(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """(decompressed bytes after a UTF-8 byte order mark, length of that mark). DataError: empty, or no UTF-8 text."""
    with _opened(path) as stream:
        head = stream.peek(4096)[:4096]  # type: ignore[attr-defined]
        if not head:
            raise DataError("the file is empty", "There is nothing to learn from.", "Name another file.", Place(path))
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


def not_utf8(path: Path, error: UnicodeDecodeError, offset: int, line: int) -> DataError:
    """The error for bytes that are not UTF-8; ``offset`` is that of the first bad byte, counted from 0."""
    return DataError(
        f"byte 0x{error.object[error.start]:02x} at offset {offset:,} is not UTF-8",
        "Data files are read as UTF-8; read as anything else, letters would silently become other letters.",
        f"Convert the file. If it is Latin-1 or Windows-1252: iconv -f WINDOWS-1252 -t UTF-8 '{path.name}' > utf8-file",
        Place(path, line=line),
    )


def too_long(path: Path, line: int, what: str = "row") -> DataError:
    """The error for a row past :data:`ROW_LIMIT`."""
    return DataError(
        f"the {what} that begins here is longer than {ROW_LIMIT // 2**20} MB",
        "No model learns from a row of that length; as a rule a line break or a closing quote is missing.",
        "Look at this line. JSON Lines wants one object per line.",
        Place(path, line=line),
    )


def broken(path: Path, problems: list[tuple[int, int, str]], count: int, total: int, what: str) -> DataError:
    """The error for broken rows among good ones. ``problems`` are (line, row, words) of the first few of ``count``."""
    more = f"\n  … and {count - len(problems):,} more" if count > len(problems) else ""
    shown = "\n".join(f"  line {line}: {words}" for line, _, words in problems)
    return DataError(
        f"{count:,} of {total:,} {what} cannot be read:\n{shown}{more}",
        "A row that is skipped would be missing from the training data without anyone noticing.",
        "Mend or delete these lines.",
        Place(path, line=problems[0][0], row=problems[0][1]),
    )


def nothing(path: Path) -> DataError:
    """The error for a file that is sound but holds no row."""
    return DataError("the file holds no rows", "There is nothing to learn from.", "Name another file.", Place(path))


def _known(path: Path) -> str:
    """The file's kind, or a DataError that lists the kinds there are."""
    if kind := kind_of(path):
        return kind
    guess = did_you_mean(path.suffix, [*TEXT_KINDS, *TABLE_KINDS]) if path.suffix else ""
    raise DataError(
        f"files ending in {path.suffix or 'no suffix'!r} are not understood",
        "",
        f"{guess}Understood are {UNDERSTOOD}.",
        Place(path),
    )


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        with gzip.open(path, "rb") as stream:
            yield cast("IO[bytes]", stream)
    elif suffix == ".zst":
        import io

        import pyarrow as pa  # and not zstandard, whose stream ends without a word where a file was cut off

        with pa.input_stream(str(path), compression="zstd") as unpacked:
            yield io.BufferedReader(unpacked, 2**20)
    else:
        with path.open("rb", buffering=2**20) as plain:
            yield plain


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Turns what the operating system and the decompressors say into a DataError that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise missing(path) from None
    except (EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            what, fix = f"cannot be read: {error.strerror}", "Check the path and its rights."
        else:  # the decompressors' own errors carry no number
            what, fix = f"the file is damaged or cut off ({quote(str(error), 120)})", "Fetch or compress it again."
        raise DataError(what, "", fix, Place(path)) from None


NO_ROWS = "There is nothing to learn from without its rows."


def missing(path: Path) -> DataError:
    """The error for a path that does not exist, with the nearest names in its folder or the part that is missing."""
    folder = path.parent
    if not folder.is_dir():
        above = next((p for p in folder.parents if p.is_dir()), None)
        fix = f"The folder {folder} does not exist either" + (f"; {above} does." if above else ".")
        fix += " Correct data.train or data.validation."
        return DataError("no such file", NO_ROWS, fix, Place(path))
    names = sorted(p.name for p in folder.iterdir())
    data = [name for name in names if kind_of(Path(name))]
    fix = did_you_mean(path.name, names) or (
        f"In {folder} there are: {listing(data)}." if data else f"{folder} holds no data files."
    )
    return DataError("no such file", NO_ROWS, f"{fix.strip()} Correct data.train or data.validation.", Place(path))


def _refuse_wide(path: Path, head: bytes) -> None:
    """DataError for UTF-16 and UTF-32, told by their byte order mark or by every second byte being zero."""
    name = next((name for bom, name in BOMS.items() if head.startswith(bom)), "")
    offset = 0
    if not name and head.count(0) * 3 > len(head):
        name, offset = "UTF-16" if head.count(0) * 3 < len(head) * 2 else "UTF-32", head.index(0)
    if name:
        raise DataError(
            f"the file looks like {name} (byte 0x{head[offset]:02x} at offset {offset}), not UTF-8",
            "Data files are read as UTF-8.",
            f"Convert it: iconv -f {name} -t UTF-8 '{path.name}' > utf8-file",
            Place(path, line=1),
        )
