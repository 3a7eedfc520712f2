"""Read CSV, Parquet and Arrow files as rows, one batch in memory at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sanetune import units
from sanetune.data.sources.row import ROW_LIMIT, OnBadRow, Row, broken, kind_of, no_rows, not_utf8, too_long
from sanetune.data.sources.text_file import open_text
from sanetune.errors import DataError, Place
from sanetune.text import listing, quote

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

    import pyarrow

BATCH = 512
"""Rows of a batch."""

SHOWN = 3
"""Broken rows that a message lists."""

END = "unexpected end of data"
"""What Python's reader says where the file ends inside of a quoted cell."""


def read_csv(path: Path, on_bad: OnBadRow | None = None) -> Iterator[Row]:
    """Yield the rows under the header line.

    The separator is a tab for .tsv, else the one of , ; tab | that the header has most of.

    Args:
        path: The file.
        on_bad: Called with the error of each broken row, which is left out. A quote that is not closed takes the lines
            after it into its cell: how many rows are broken is not known then, and it raises all the same.

    Raises:
        DataError: The header or rows cannot be read, or there are no rows.
    """
    csv.field_size_limit(max(csv.field_size_limit(), ROW_LIMIT))
    with open_text(path) as (stream, start):
        lines = _decoded(path, stream, start)
        first = next(lines, "")
        separator = "\t" if kind_of(path) == "tsv" else _separator(first)
        reader = csv.reader(_chain(first, lines), delimiter=separator, strict=True)
        header = _header(path, reader)
        row = 0
        for line, cells in _cells(reader):
            place = Place(str(path), line, row)
            if fault := _fault(place, reader, cells, header):
                if on_bad is None:
                    raise _survey(path, reader, header, (line, row, fault))
                on_bad(DataError(f"this row cannot be read: {fault}", "", "Correct or remove it.", place))
            else:
                yield Row(place, dict(zip(header, cells, strict=True)))
            row += 1
        if not row:
            raise no_rows(path)


def read_parquet(path: Path) -> Iterator[Row]:
    """Yield the rows of a Parquet file.

    Empty fields of nested objects are left out, because Arrow fills in every field that any row has.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, buffer_size=2**20, pre_buffer=False) as file:
            yield from _batches(path, file.schema_arrow, file.iter_batches(BATCH))
    except (pa.ArrowException, RecursionError, UnicodeDecodeError) as error:
        raise _damaged(path, "Parquet", error) from None


def count_parquet(path: Path) -> int:
    """Return the number of rows, out of the file's footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except pa.ArrowException as error:
        raise _damaged(path, "Parquet", error) from None


def read_arrow(path: Path) -> Iterator[Row]:
    """Yield the rows of an Arrow file or stream, as ``datasets`` saves them."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            try:
                file = pa.ipc.open_file(source)
                batches = (file.get_batch(i) for i in range(file.num_record_batches))
                yield from _batches(path, file.schema, batches)
            except pa.ArrowInvalid as error:
                if "not an arrow file" not in str(error).lower():
                    raise
                source.seek(0)
                stream = pa.ipc.open_stream(source)
                yield from _batches(path, stream.schema, stream)
    except (pa.ArrowException, RecursionError, UnicodeDecodeError) as error:
        raise _damaged(path, "Arrow", error) from None


def pruned(values: dict[str, Any]) -> dict[str, Any]:
    """Return an object without its empty fields, at any depth; ``content`` stays, where empty means something.

    >>> pruned({"role": "user", "content": None, "name": None})
    {'role': 'user', 'content': None}
    """
    return {key: _pruned(item) for key, item in values.items() if item is not None or key == "content"}


def _pruned(value: object) -> object:
    if type(value) is dict:
        return pruned(value)
    return [_pruned(item) for item in value] if type(value) is list else value


def _batches(path: Path, schema: pyarrow.Schema, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[Row]:
    import pyarrow as pa

    names = schema.names
    if len(set(names)) != len(names):
        raise DataError(f"columns are named twice: {listing(names)}", "", "Give each column its own name.", Place(path))
    nested = [field.name for field in schema if pa.types.is_nested(field.type)]
    row = 0
    for batch in batches:
        batch.validate(full=True)  # Arrow trusts its offsets: reading a damaged batch ends the process
        for start in range(0, batch.num_rows, BATCH):
            for values in batch.slice(start, BATCH).to_pylist(maps_as_pydicts="lossy"):
                for name in nested:
                    values[name] = _pruned(values[name])
                yield Row(Place(str(path), None, row), values)
                row += 1
    if not row:
        raise no_rows(path)


def _damaged(path: Path, name: str, error: Exception) -> DataError:
    reason = str(error) if not isinstance(error, RecursionError) else "nested too deeply"
    return DataError(
        f"cannot be read as {name}: {quote(reason, 160)}", "", "Write or fetch the file again.", Place(path)
    )


def _decoded(path: Path, stream: IO[bytes], start: int) -> Iterator[str]:
    """Lines as text with their line breaks, which may belong to a quoted cell."""
    number, offset = 0, start
    while line := stream.readline(ROW_LIMIT + 1):
        number += 1
        if len(line) > ROW_LIMIT:
            raise too_long(path, number, "line")
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise not_utf8(path, error, offset + error.start, number) from None
        offset += len(line)


def _chain(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _separator(header: str) -> str:
    return max(",;\t|", key=header.count) if header.strip() else ","


def _header(path: Path, reader: CsvReader) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise DataError(f"the header cannot be read: {error}", "", "Correct the first line.", Place(path, 1)) from None
    named = [name for name in header if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice or not named:
        twice_words = f"columns are named twice in the header: {listing(twice)}"
        message = twice_words if twice else "the first line names no columns"
        remedy = "Correct the header in the first line."
        raise DataError(message, "Columns are found by their names.", remedy, Place(path, 1))
    return header


def _cells(reader: CsvReader) -> Iterator[tuple[int, list[str] | str]]:
    """(first line of the row, its cells, or what is wrong with it in words); blank lines are no rows."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, str(error)
            continue
        if cells:
            yield line, cells


def _fault(place: Place, reader: CsvReader, cells: list[str] | str, header: list[str]) -> str:
    """What is wrong with the row that was read last, in words; "" where nothing is.

    Raises:
        DataError: A quote in it is not closed where its cell ends, and lines after it were taken for its text.
    """
    taken = reader.line_num - (place.line or 0)
    if isinstance(cells, str):
        if taken > 0:
            raise _unclosed(place, taken, cells)
        return "a quote is not closed" if cells == END else quote(cells, 120)
    if len(cells) == len(header):
        return ""
    over = f", over {taken + 1} lines" if taken > 0 else ""
    return f"{len(cells)} cells under {len(header)} columns{over}: {quote(' | '.join(cells))}"


def _unclosed(place: Place, taken: int, reason: str) -> DataError:
    """The error for a quote because of which ``taken`` lines after the row's first one are not rows of their own."""
    where = "is not closed" if reason == END else "closes only inside of another row"
    return DataError(
        f"a quote that opens in this row {where}, and what follows is read as its text: {units.many(taken, 'line')}",
        "How many rows they are cannot be known, so that they cannot be skipped as one.",
        'Close the quote, or write it twice ("") inside of a quoted cell.',
        place,
    )


def _survey(path: Path, reader: CsvReader, header: list[str], first: tuple[int, int, str]) -> DataError:
    """The error for a broken row, with how many more there are in the rest of the file."""
    problems, count, row = [first], 1, first[1]
    for line, cells in _cells(reader):
        row += 1
        try:
            fault = _fault(Place(str(path), line, row), reader, cells, header)
        except DataError as error:  # it hides rows, so that none could be counted
            return error
        if fault:
            count += 1
            if len(problems) < SHOWN:
                problems.append((line, row, fault))
    return broken(path, problems, count, row + 1, "rows")
