"""Read JSON Lines as rows: one object, or one bare list of messages, per line.

orjson reads the line; a line that it refuses is read again by a decoder that says where the fault is. A broken line is
reported together with all others that are broken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from sanetune.data.sources.jsontext import DECODER, as_row, excerpt
from sanetune.data.sources.row import ROW_LIMIT, OnBadRow, Row, broken, kind_of, no_rows, not_utf8, too_long
from sanetune.data.sources.text_file import open_text
from sanetune.errors import DataError, Place
from sanetune.text import json_type, quote

SHOWN = 3
HEAD = 2**20
"""Bytes of a line that are read to tell lines from one long text."""


def is_lines(path: Path) -> bool:
    """Return whether the file has one value per line, judged by its first two lines that are not blank."""
    heads: list[bytes] = []
    with open_text(path) as (stream, _):
        while len(heads) < 2 and (line := stream.readline(HEAD)):
            if len(line) == HEAD:
                break
            if not line.isspace():
                heads.append(line.strip())
        else:
            line = b""
    if line and not heads:  # a first line this long is one row of many, or the whole file
        return line.lstrip()[:1] != b"[" and kind_of(path) != "json"
    if len(heads) < 2 and not line:
        return bool(heads) and heads[0][:1] == b"[" and kind_of(path) == "lines" and _reads(heads[0], as_row)
    sound = [_reads(head) for head in heads]
    if heads[0][:1] == b"[":
        return sound[0] and heads[-1][:1] in b"[{"
    return sound[0] or (heads[0] != b"{" and (sound[-1] or kind_of(path) != "json"))


def _reads(line: bytes, wanted: Callable[[object], object] = lambda value: True) -> bool:
    """Whether a line is JSON, and what is ``wanted``."""
    try:
        return wanted(DECODER.decode(line.decode())) is not None
    except (ValueError, RecursionError):
        return False


def _lines(path: Path, stream: IO[bytes], start: int) -> Iterator[tuple[int, int, bytes]]:
    """(line number, byte offset, line) of every line that is not blank."""
    number, offset = 0, start
    while line := stream.readline(ROW_LIMIT + 1):
        number += 1
        if len(line) > ROW_LIMIT:
            raise too_long(path, number, "line")
        if not line.isspace():
            yield number, offset, line
        offset += len(line)


def count_lines(path: Path) -> int:
    """Return the number of lines that are not blank."""
    with open_text(path) as (stream, start):
        return sum(1 for _ in _lines(path, stream, start))


def read_lines(path: Path, on_bad: OnBadRow | None = None) -> Iterator[Row]:
    """Yield the object on every line that is not blank.

    Args:
        path: The file.
        on_bad: Called with the error of each broken line, which is left out.

    Raises:
        DataError: Lines are broken (one error for all of them) and ``on_bad`` is not given, or there are no rows.
    """
    file = str(path)
    with open_text(path) as (stream, start):
        lines = _lines(path, stream, start)
        row = 0
        for number, offset, line in lines:
            values = (
                _values_or_error(path, number, offset, line, row) if on_bad else _values(path, number, offset, line)
            )
            if isinstance(values, str):
                raise _survey(path, lines, (number, row, values))
            if isinstance(values, DataError):
                assert on_bad is not None
                on_bad(values)
            else:
                yield Row(Place(file, number, row), values)
            row += 1
        if not row:
            raise no_rows(path)


def _keys_agree(line: bytes, values: object) -> bool:
    """Whether the value has as many keys as the line has ``":``; if not, a key may stand twice (or `:` in text)."""
    keys = 0
    stack: list[Any] = [values]
    while stack:
        node = stack.pop()
        if type(node) is dict:
            keys += len(node)
            node = node.values()
        for value in node:
            if type(value) is dict or type(value) is list:
                stack.append(value)
    return keys == line.count(b'":') - line.count(b'\\":')


def _values(path: Path, number: int, offset: int, line: bytes) -> dict[str, Any] | str:
    """The line's object, or what is wrong with it in words."""
    try:
        values = orjson.loads(line)
    except ValueError:
        return _careful(path, number, offset, line)
    row = values if type(values) is dict else as_row(values)
    return row if row is not None and _keys_agree(line, values) else _careful(path, number, offset, line)


def _values_or_error(path: Path, number: int, offset: int, line: bytes, row: int) -> dict[str, Any] | DataError:
    """The line's object, or the error for this line alone."""
    try:
        values = _values(path, number, offset, line)
    except DataError as error:  # not UTF-8
        return DataError(error.message, error.rationale, error.remedy, Place(str(path), number, row))
    if isinstance(values, str):
        return DataError(
            f"this line cannot be read: {values}", "", "Correct or remove it.", Place(str(path), number, row)
        )
    return values


def _careful(path: Path, number: int, offset: int, line: bytes) -> dict[str, Any] | str:
    """The line read once more with every check, or what is wrong with it in words. Raises only when it is not UTF-8."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(path, error, offset + error.start, number) from None
    try:
        values = DECODER.decode(text)
    except json.JSONDecodeError as error:
        return f"column {error.pos + 1}: {_reason(error, text)}: {excerpt(text, error.pos)}"
    except RecursionError:
        return f"nested too deeply: {quote(text.strip())}"
    except ValueError as error:
        return f"{quote(str(error), 120)}: {quote(text.strip())}"
    if (row := as_row(values)) is not None:
        return row
    return f"{json_type(values)} where an object is wanted: {quote(text.strip())}"


def _reason(error: json.JSONDecodeError, text: str) -> str:
    if error.msg.startswith("Unterminated"):
        return "the text that begins here is never closed"
    return "the line ends too early" if error.pos >= len(text.rstrip()) else error.msg[:1].lower() + error.msg[1:]


def _survey(path: Path, lines: Iterator[tuple[int, int, bytes]], first: tuple[int, int, str]) -> DataError:
    """The error for a broken line, with how many more there are in the rest of the file."""
    problems, count, row = [first], 1, first[1]
    for number, offset, line in lines:
        row += 1
        try:
            words = _values(path, number, offset, line)
        except DataError as error:
            words = error.message
        if isinstance(words, str):
            count += 1
            if len(problems) < SHOWN:
                problems.append((number, row, words))
    found = broken(path, problems, count, row + 1, "lines")
    if first[2].startswith("a list of"):
        found.remedy = (
            'Each line must be an object, such as {"prompt": "...", "completion": "..."}, or a list of messages.'
        )
    return found
