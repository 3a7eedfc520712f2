"""CSV, Parquet and Arrow give the rows that were written, and a damaged file is said to be one."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from sanetune.data.sources.read import count, read_rows
from sanetune.data.sources.source import Source
from sanetune.errors import DataError
from tests.data.sources.row_files import CSV, LINES, Write, refused, rows


def test_csv_keeps_quotes_breaks_and_empty_cells(write: Write) -> None:
    wanted = [{"prompt": 'say, "hi"', "completion": "two\nlines"}, {"prompt": "b", "completion": ""}]
    path = write("rows.csv", "\ufeff" + CSV)
    assert rows(path) == wanted
    assert [row.place.line for row in read_rows(Source(str(path)))] == [2, 5]
    assert rows(write("rows.tsv", "prompt\tcompletion\na, b\tc\n")) == [{"prompt": "a, b", "completion": "c"}]
    assert rows(write("semicolon.csv", "prompt;completion\na, b;c\n")) == [{"prompt": "a, b", "completion": "c"}]
    assert rows(write("one.csv", "text\nhello\n")) == [{"text": "hello"}]


def test_parquet_and_arrow_leave_out_the_fields_that_arrow_filled_in(tmp_path: Path) -> None:
    chats = [
        {
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            ]
        },
        {"messages": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]},
    ]
    table = pa.Table.from_pylist(chats)
    pq.write_table(table, tmp_path / "rows.parquet")
    with pa.OSFile(str(tmp_path / "file.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pa.OSFile(str(tmp_path / "stream.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    for name in ("rows.parquet", "file.arrow", "stream.arrow"):
        assert rows(tmp_path / name) == chats, name
        assert count(Source(str(tmp_path / name))) == 2


@pytest.mark.parametrize(("name", "sign"), [("rows.csv", ","), ("rows.tsv", "\t")])
def test_broken_rows_of_a_table_are_left_out_where_that_was_asked_for(write: Write, name: str, sign: str) -> None:
    lines = ["prompt,completion", "a,b", "c,d,e", "f", 'g,"h"x', "i,j"]
    path = write(name, "".join(line.replace(",", sign) + "\n" for line in lines))
    skipped: list[DataError] = []
    found = list(read_rows(Source(str(path)), skipped.append))
    assert [(row.place.line, row.values["prompt"]) for row in found] == [(2, "a"), (6, "i")]
    assert [error.place and error.place.line for error in skipped] == [3, 4, 5]
    assert "3 cells under 2 columns" in skipped[0].message
    assert count(Source(str(path))) == 2
    assert "3 of 5 rows cannot be read" in refused(path).message


def test_a_quote_that_is_not_closed_is_said_with_the_lines_it_hides_and_is_never_skipped(write: Write) -> None:
    hidden = 'prompt,completion\na,b\n"c,d\n' + "e,f\n" * 5
    path = write("rows.csv", hidden)
    for text in (hidden, "prompt,completion\na,b,x\n" + hidden.partition("\n")[2]):  # also after another broken row
        error = refused(write("rows.csv", text))
        assert "is not closed, and what follows is read as its text: 5 lines" in error.message
        assert "skip" not in error.remedy and "delete" not in error.remedy
    assert error.place is not None and error.place.line == 4
    with pytest.raises(DataError, match="its text: 5 lines"):
        list(read_rows(Source(str(path)), lambda error: None))
    midway = refused(write("rows.csv", hidden + '"g, h",i\n'))
    assert "closes only inside of another row" in midway.message and "6 lines" in midway.message
    last = refused(write("rows.csv", 'prompt,completion\na,b\n"c,d\n'))
    assert "1 of 2 rows" in last.message and "a quote is not closed" in last.message, "it hides no line"


def test_skipping_is_not_advised_where_no_row_would_be_left(write: Write) -> None:
    for path in (write("rows.csv", "a,b\n1\n2\n"), write("rows.jsonl", '{"a":\n{"b":\n')):
        error = refused(path)
        assert "2 of 2" in error.message
        assert "on_bad_row" not in error.remedy and "delete" not in error.remedy
        assert "none of the file's 2 is left" in error.remedy


@pytest.mark.parametrize("name", ["broken.parquet", "broken.arrow", "broken.jsonl.gz", "broken.json.zst"])
def test_a_damaged_file_is_said_to_be_damaged(write: Write, name: str) -> None:
    good = {"gz": gzip.compress(LINES.encode() * 99)[:-20], "zst": zstandard.compress(LINES.encode() * 99)[:60]}
    error = refused(write(name, good.get(name.split(".")[-1], b"not a table at all")))
    assert name in str(error)
    assert "damaged" in error.message or "cannot be read as" in error.message
