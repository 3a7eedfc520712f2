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


@pytest.mark.parametrize("name", ["broken.parquet", "broken.arrow", "broken.jsonl.gz", "broken.json.zst"])
def test_a_damaged_file_is_said_to_be_damaged(write: Write, name: str) -> None:
    good = {"gz": gzip.compress(LINES.encode() * 99)[:-20], "zst": zstandard.compress(LINES.encode() * 99)[:60]}
    error = refused(write(name, good.get(name.split(".")[-1], b"not a table at all")))
    assert name in str(error)
    assert "damaged" in error.message or "cannot be read as" in error.message
