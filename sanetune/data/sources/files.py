"""Read one local file as a stream of rows, whatever it is written in.

Which kind a file is follows from its name; its content is checked before it is believed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sanetune.data.sources import jsonlines, jsontext, tables
from sanetune.data.sources.row import NO_ROWS, OnBadRow, Row, kind_of, not_understood
from sanetune.errors import DataError, Place
from sanetune.text import did_you_mean, listing, quote

READERS = {
    "json": jsontext.read_values,
    "parquet": tables.read_parquet,
    "arrow": tables.read_arrow,
}


def read_file(path: Path, on_bad: OnBadRow | None = None) -> Iterator[Row]:
    """Yield the rows of one file in order, never the whole file in memory.

    Args:
        path: A file of a kind that :func:`sanetune.data.sources.row.kind_of` knows.
        on_bad: Called for broken lines of JSON Lines and broken rows of CSV and TSV, which are left out. A file of
            another kind that is broken somewhere cannot be read beyond that place, and raises.

    Raises:
        DataError: The file or a row cannot be read; the error has the place of what is wrong.
    """
    kind = _known(path)
    with _errors_of(path):
        if kind in ("json", "lines") and jsonlines.is_lines(path):  # each is often written under the other's name
            yield from jsonlines.read_lines(path, on_bad)
        elif kind == "lines":
            yield from jsontext.read_values(path, single_row=True)
        elif kind in ("csv", "tsv"):
            yield from tables.read_csv(path, on_bad)
        else:
            yield from READERS[kind](path)


def count_rows(path: Path) -> int:
    """Return the number of rows that :func:`read_file` would yield; of JSON Lines only lines are counted, of Parquet
    the footer is read. Broken rows of CSV and TSV are not counted: whoever reads the file reports them."""
    kind = _known(path)
    with _errors_of(path):
        if kind in ("json", "lines") and jsonlines.is_lines(path):
            return jsonlines.count_lines(path)
        if kind == "parquet":
            return tables.count_parquet(path)
        return sum(1 for _ in read_file(path, lambda error: None))


def missing(path: Path) -> DataError:
    """Return the error for a path that does not exist, with similar names in its folder or the part that is missing."""
    folder = path.parent
    if not folder.is_dir():
        above = next((p for p in folder.parents if p.is_dir()), None)
        fix = f"The folder {folder} does not exist either" + (f"; {above} does." if above else ".")
        fix += " Correct data.train, data.validation or data.replay."
        return DataError("no such file", NO_ROWS, fix, Place(path))
    names = sorted(p.name for p in folder.iterdir())
    data = [name for name in names if kind_of(Path(name))]
    fix = did_you_mean(path.name, names) or (
        f"In {folder} there are: {listing(data)}." if data else f"{folder} has no data files."
    )
    fix = f"{fix.strip()} Correct data.train, data.validation or data.replay."
    return DataError("no such file", NO_ROWS, fix, Place(path))


def _known(path: Path) -> str:
    if kind := kind_of(path):
        return kind
    raise not_understood(path)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turns errors of the operating system and of decompressors into a DataError that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise missing(path) from None
    except (EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            message, remedy = f"cannot be read: {error.strerror}", "Check the path and its rights."
        else:  # the decompressors' own errors carry no number
            message, remedy = f"the file is damaged or incomplete ({quote(str(error), 120)})", "Fetch it again."
        raise DataError(message, "", remedy, Place(path)) from None
