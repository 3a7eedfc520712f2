"""Rows are read whole, in order and with their places; what cannot be read is said with file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanetune.data.sources import jsonlines, jsontext, tables
from sanetune.data.sources import row as row_module
from sanetune.data.sources.read import count, read_rows
from sanetune.data.sources.source import Source
from sanetune.errors import DataError
from tests.data.sources.row_files import CSV, LINES, ROWS, Write, refused, rows

KINDS: dict[str, str | bytes] = {
    "rows.jsonl": LINES,
    "crlf.jsonl": LINES.replace("\n", "\r\n"),
    "blank-lines.ndjson": "\n" + LINES.replace("\n", "\n\n"),
    "no-last-break.jsonl": LINES.rstrip(),
    "mark.jsonl": b"\xef\xbb\xbf" + LINES.encode(),
    "mark.json": b"\xef\xbb\xbf" + json.dumps(ROWS).encode(),
    "list.json": json.dumps(ROWS),
    "pretty.json": json.dumps(ROWS, indent=2),
    "lines-inside.json": LINES,
    "following.json": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "list-inside.jsonl": json.dumps(ROWS, indent=1),
    "inner.json": json.dumps({"version": 1, "tags": ["a"], "data": ROWS, "license": "MIT"}),
    "inner-pretty.json": json.dumps({"meta": {"n": 5}, "rows": ROWS}, indent=4),
    "rows.jsonl.gz": gzip.compress(LINES.encode()),
    "list.json.zst": zstandard.compress(json.dumps(ROWS).encode()),
    "rows.jsonl.zst": zstandard.compress(LINES[:90].encode())
    + zstandard.compress(LINES.encode()[len(LINES[:90].encode()) :]),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_same_rows_come_out_of_every_way_to_write_them(write: Write, name: str) -> None:
    path = write(name, KINDS[name])
    assert rows(path) == ROWS
    assert count(Source(str(path))) == 5
    assert [row.place.row for row in read_rows(Source(str(path)))] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "name", ["pretty.json", "inner-pretty.json", "following.json", "blank-lines.ndjson", "list.json"]
)
def test_the_line_of_a_row_is_where_an_editor_shows_it(write: Write, name: str) -> None:
    path = write(name, KINDS[name])
    text = path.read_text().splitlines()
    for row in read_rows(Source(str(path))):
        assert row.place.file == str(path)
        assert row.place.line
        assert row.values["prompt"] in json.loads(f'"{_around(text, row.place.line)}"')


def _around(text: list[str], line: int) -> str:
    return "".join(text[line - 1 : line + 2]).replace('"', "'").replace("\\n", "")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_list_gives_the_same_rows_wherever_the_chunks_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    leaf = (
        st.none()
        | st.booleans()
        | st.integers(-(10**9), 10**9)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text()
    )
    value = st.recursive(leaf, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3))
    wanted = data.draw(st.lists(st.dictionaries(st.text(max_size=4), value, max_size=4), min_size=1, max_size=6))
    monkeypatch.setattr(jsontext, "CHUNK", data.draw(st.integers(8, 40)))
    path = tmp_path / "rows.json"
    path.write_text(
        json.dumps(wanted, indent=data.draw(st.sampled_from([None, 1])), ensure_ascii=data.draw(st.booleans()))
    )
    assert rows(path) == wanted


def test_all_broken_lines_are_counted_and_the_first_three_shown(write: Write) -> None:
    bad = ['{"a": 1,,}', '{"a": "unfinished', "[1, 2]", '"text"', '{"a": tru}']
    error = refused(write("rows.jsonl", '{"a": 0}\n' + "".join(f'{line}\n{{"a": 0}}\n' for line in bad)))
    assert "5 of 11 lines cannot be read" in error.message
    assert error.place
    assert error.place.line == 2
    assert error.place.row == 1
    assert "line 2: column 9" in error.message
    assert "→,}" in error.message
    assert "line 4: column" in error.message
    assert "line 6: a list of 2 where an object is wanted" in error.message
    assert "line 8" not in error.message
    assert "2 more" in error.message


def test_a_broken_line_is_reported_by_its_line_in_each_way_to_write_rows(write: Write) -> None:
    listed = json.dumps(ROWS, indent=1).replace('"question 3', "question 3")
    error = refused(write("rows.json", listed))
    assert error.place
    assert error.place.line == listed[: listed.index("question 3")].count("\n") + 1
    assert "→question 3" in error.message
    cut = json.dumps(ROWS, indent=1)[:-40]
    error = refused(write("cut.json", cut))
    assert "never closed" in error.message
    assert error.place
    assert error.place.line == cut.count("\n") + 1
    assert "the file ends too early" in refused(write("cut.json", cut[: cut.rindex('"completion"')])).message
    assert "a comma or ] is wanted after row 0" in refused(write("comma.json", '[{"a": 1}\n {"a": 2}]')).message
    assert "after row 1" in refused(write("open.json", '[{"a": 1},\n {"a": 2}')).message
    assert "follows" in refused(write("more.json", '[{"a": 1}] x')).message
    error = refused(write("rows.csv", "a,b\n1,2\n1,2,3\n4\n5,6\n"))
    assert "2 of 4 rows" in error.message
    assert "line 3: 3 cells under 2 columns" in error.message
    error = refused(write("quote.csv", 'a,b\n1,2\n1,"2\n3,4\n'))
    assert error.place and error.place.line == 3
    assert "not closed" in error.message and "1 line" in error.message


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv"])
def test_another_encoding_is_reported_with_offset_line_and_cure(write: Write, name: str) -> None:
    text = {
        "rows.jsonl": LINES[:40] + '\n{"a": "é"}\n',
        "rows.json": '[{"a": "b"},\n{"a": "é"}]',
        "rows.csv": "a,b\né,c\n",
    }[name]
    text = text if name != "rows.jsonl" else '{"a": "b"}\n{"a": "é"}\n'
    error = refused(write(name, text.encode("latin-1")))
    assert f"byte 0xe9 at offset {text.index('é')} is not UTF-8" in error.message
    assert error.place
    assert error.place.line == 2
    assert "iconv -f" in error.remedy
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        error = refused(write(name, text.encode(encoding)))
        assert encoding[:6].upper() in error.message
        assert "offset" in error.message
        assert "iconv" in error.remedy


def test_an_empty_file_is_reported_from_one_without_rows(write: Write) -> None:
    assert "the file is empty" in refused(write("a.jsonl", "")).message
    assert "the file is empty" in refused(write("a.jsonl.gz", gzip.compress(b""))).message
    for name, text in (("a.json", "[]"), ("b.jsonl", "\n\n"), ("c.csv", "a,b\n"), ("d.json", " ")):
        assert "no rows" in refused(write(name, text)).message


def test_what_cannot_be_read_is_reported_with_what_can(write: Write) -> None:
    error = refused(write("rows.jsnl", LINES))
    assert "Did you mean .jsonl" in error.remedy
    assert ".parquet" in error.remedy
    assert "content is gzip" in refused(write("rows.jsonl", gzip.compress(LINES.encode()))).message
    assert (
        "2 lists of rows (train, test)" in refused(write("two.json", json.dumps({"train": ROWS, "test": ROWS}))).message
    )
    assert "Download" in refused("https://example.org/rows.jsonl").remedy


def test_rows_that_are_no_objects_are_reported_with_their_line(write: Write) -> None:
    error = refused(write("a.json", '[{"a": 1},\n 5]'))
    assert "a number where an object is wanted: 5" in error.message
    assert error.place
    assert error.place.line == 2
    error = refused(write("a.jsonl", '["Hi?", "Hello."]\n["Why?", "So."]\n'))
    assert "or a list of messages" in error.remedy
    assert "neither a list nor an object" in refused(write("b.json", '"text"')).message


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a.jsonl", "{0}\n{0}\n"),
        ("a.jsonl", "{0}\n"),
        ("a.jsonl", '{0}\n{{"messages": {0}}}\n'),
        ("a.json", "[{0},\n{0}]"),
    ],
)
def test_bare_lists_of_messages_are_rows(write: Write, name: str, written: str) -> None:
    chat = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]
    text = written.format(json.dumps(chat))
    source = Source(str(write(name, text)))
    found = list(read_rows(source))
    assert [row.values for row in found] == [{"messages": chat}] * text.count("Hi?")
    assert [row.place.line for row in found] == list(range(1, len(found) + 1))
    assert count(source) == len(found)


def test_a_key_that_stands_twice_with_two_meanings_is_refused(write: Write) -> None:
    twice = '{"prompt": "a", "completion": "b", "completion": "c"}'
    for name, text in (("a.jsonl", twice + "\n" + twice), ("a.json", f"[{twice}]"), ("one.jsonl", twice)):
        assert "the key 'completion' is used twice" in refused(write(name, text)).message
    nested = '{"messages": [{"role": "user", "role": "assistant", "content": "\\":"}]}\n'
    assert "'role' is used twice" in refused(write("n.jsonl", nested * 2)).message
    assert rows(write("same.jsonl", '{"a": 1, "a": 1}\n{"a" : "x\\": {}"}\n')) == [{"a": 1}, {"a": 'x": {}'}]
    assert "named twice in the header" in refused(write("a.csv", "a,a\n1,2\n")).message


def test_nan_is_nothing_and_depth_has_an_end(write: Write) -> None:
    assert rows(write("a.jsonl", '{"a": NaN, "b": 1}\n' * 2)) == [{"a": None, "b": 1}] * 2
    assert rows(write("a.json", '[{"a": NaN, "b": -Infinity}]')) == [{"a": None, "b": None}]
    deep = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"
    for name, text in (("d.jsonl", f'{deep}\n{{"a": 1}}\n'), ("d.json", f"[{deep}]")):
        assert "nested too deeply" in refused(write(name, text)).message
    assert "digits" in refused(write("n.json", '[{"a": ' + "9" * 5000 + "}]")).message


def test_a_row_without_end_is_refused_before_it_fills_the_memory(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (row_module, jsonlines, jsontext, tables):
        monkeypatch.setattr(module, "ROW_LIMIT", 2000)
    monkeypatch.setattr(jsontext, "CHUNK", 500)
    long = json.dumps({"a": "x" * 9000})
    for name, text in (
        ("a.jsonl", f'{{"a": 1}}\n{long}\n'),
        ("a.json", f'[{{"a": 1}},\n{long}]'),
        ("a.csv", f"a\nb\n{long}\n"),
    ):
        error = refused(write(name, text))
        assert "longer than" in error.message
        assert error.place
        assert error.place.line in (2, 3)
    inner = json.dumps({"n": 1, "data": ROWS * 99}, indent=1)
    assert rows(write("inner.json", inner)) == ROWS * 99, "a long list inside an object streams"
    assert "second list" in refused(write("two.json", json.dumps({"a": ROWS * 99, "b": ROWS}))).message


@pytest.mark.parametrize("line", ['{"a": "\x1b[31m"}x', "\x1b]0;title\x07", '{"a": "' + "é" * 500])
def test_excerpts_show_control_characters_and_stay_short(write: Write, line: str) -> None:
    what = refused(write("a.jsonl", f'{line}\n{{"a": 1}}\n')).message
    assert "\x1b" not in what
    assert "\x07" not in what
    assert len(what) < 400


def test_real_files_are_read_in_full(shared: Path) -> None:
    sizes = {"alpaca": 1100, "sharegpt": 500, "gsm8k": 7473, "airline": 200, "messages": 108, "prompts": 80}
    for name, size in sizes.items():
        assert len(rows(shared / "data" / name)) == size == count(Source(str(shared / "data" / name)))


@pytest.mark.parametrize("name", KINDS)
def test_long_first_lines_change_nothing(write: Write, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(jsonlines, "HEAD", 30)
    assert rows(write(name, KINDS[name])) == ROWS


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from([*KINDS, "rows.csv", "rows.parquet", "rows.arrow"]))
def test_a_file_with_wrong_bytes_is_read_or_refused_and_never_a_crash(
    tmp_path: Path, data: st.DataObject, name: str
) -> None:
    sink, table = pa.BufferOutputStream(), pa.Table.from_pylist(ROWS)
    if name == "rows.parquet":
        pq.write_table(table, sink)
    elif name == "rows.arrow":
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    content = {**KINDS, "rows.csv": CSV}.get(name) or sink.getvalue().to_pybytes()
    damaged = bytearray(content.encode() if isinstance(content, str) else content)
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(0, len(damaged)) | st.just(len(damaged))) :]
    path = tmp_path / name
    path.write_bytes(damaged)
    try:
        assert all(isinstance(values, dict) for values in rows(path))
    except DataError as error:
        assert name in str(error)  # noqa: PT017
