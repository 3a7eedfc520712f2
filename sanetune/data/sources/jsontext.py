"""Read JSON text as rows, with one element of a list in memory at a time.

The standard library's scanner finds the elements of a list: it says where each one ends, so that line numbers are
known. Nothing is read further than one chunk ahead.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sanetune.data.json_types import Json
from sanetune.data.sources.row import ROW_LIMIT, Row, no_rows, not_utf8, pasted, too_long
from sanetune.data.sources.text_file import open_text
from sanetune.errors import DataError, Place
from sanetune.text import json_type, listing, quote

CHUNK = 2**20
"""Bytes that are read at once."""


_ROLE_KEYS = frozenset(("role", "from", "speaker"))
_QUESTIONS = frozenset(("instruction", "prompt", "question", "query", "messages", "conversations"))
"""Keys of a message, and columns of a row: an object that has them is no container of rows."""


def as_row(value: object) -> dict[str, Any] | None:
    """Return the columns of a row: an object's, or for a bare list of messages the one column that it means.

    >>> as_row([{"role": "user", "content": "Hi"}])
    {'messages': [{'role': 'user', 'content': 'Hi'}]}
    >>> as_row(["Hi", "Hello"]) is None
    True
    """
    if isinstance(value, dict):
        return value
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    return {"messages": value} if _ROLE_KEYS & value[0].keys() else None


class RepeatedKeyError(ValueError):
    """A key is used twice in one object, with different values: which one is meant cannot be known."""


def _pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    values = dict(pairs)
    if len(values) != len(pairs):
        for key, value in pairs:
            if values[key] != value:
                raise RepeatedKeyError(f"the key {quote(key, 40)!r} is used twice in one object, with different values")
    return values


# NaN is how pandas writes a missing value; the JSON standard has no such word, so it is read as null.
DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=lambda word: None)


def read_values(path: Path, *, single_row: bool = False) -> Iterator[Row]:
    """Yield the rows of a JSON text: a list of objects, one object with one such list, or objects one after another.

    Args:
        path: The file.
        single_row: Whether an object with a list of objects is a row all the same, as in a file of JSON Lines.

    Raises:
        DataError: The text is no JSON, has no rows, or has several such lists.
    """
    with open_text(path) as (stream, start):
        scanner = _Scanner(path, stream, start)
        opening = scanner.skip()
        if opening == "[":
            yield from _elements(scanner)
            if scanner.skip():
                raise scanner.fault("something follows the list's closing bracket")
            return
        if opening != "{":
            raise scanner.fault("neither a list nor an object begins here") if opening else no_rows(path)
        line = scanner.line
        try:
            value = scanner.value()
        except _TooLongError:
            value = None
        first = value if isinstance(value, dict) else None
        follows = first is not None and bool(scanner.skip())
        if first is not None and (single_row or follows or not _inner_list(path, first)):
            yield Row(Place(str(path), line, 0), first)
            yield from _following(scanner)
            return
    yield from _read_inner(path)


def _following(scanner: _Scanner) -> Iterator[Row]:
    """The objects after the first one, where they follow each other without a list around them."""
    row = 1
    while scanner.skip():
        line = scanner.line
        yield Row(Place(str(scanner.path), line, row), scanner.object())
        row += 1


def _inner_list(path: Path, values: dict[str, Any]) -> str | None:
    """The one key whose list holds rows; None when the object is a row. DataError when several could be it."""
    lists = [key for key, value in values.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
    if not lists or any(_ROLE_KEYS & values[key][0].keys() for key in lists) or _QUESTIONS & values.keys():
        return None
    if len(lists) > 1:
        raise DataError(
            f"the file is one object with {len(lists)} lists of rows ({listing(lists)})",
            "Which of them is to be trained on cannot be known.",
            "Write the list you mean into a file of its own.",
            Place(path, line=1),
        )
    return lists[0]


def _read_inner(path: Path) -> Iterator[Row]:
    """Rows of the list inside the one object that is the file; everything beside the list is read past."""
    with open_text(path) as (stream, start):
        scanner = _Scanner(path, stream, start)
        scanner.skip()
        scanner.take("{")
        found = False
        while True:
            scanner.skip()
            key = scanner.value()
            scanner.skip()
            scanner.take(":")
            if scanner.skip() == "[" and scanner.after() == "{":
                if found:
                    raise scanner.fault(f"a second list of rows ({quote(key, 40)}) begins here")
                found = True
                yield from _elements(scanner)
            else:
                scanner.value()
            if scanner.skip() != ",":
                break
            scanner.take(",")
        scanner.take("}")


def _elements(scanner: _Scanner) -> Iterator[Row]:
    file, row = str(scanner.path), 0
    scanner.take("[")
    if scanner.skip() == "]":
        scanner.take("]")
        raise no_rows(scanner.path)
    while True:
        line = scanner.line
        yield Row(Place(file, line, row), scanner.object())
        row += 1
        sign = scanner.skip()
        if sign == "]":
            scanner.take("]")
            return
        if sign != ",":
            raise scanner.fault(
                f"a comma or ] is wanted after row {row - 1}" if sign else f"the file ends after row {row - 1}"
            )
        scanner.take(",")
        scanner.skip()


def excerpt(text: str, at: int) -> str:
    """Return about 60 characters around position ``at``, with ``→`` before the character at fault.

    >>> excerpt('{"a": 1,, "b": 2}', 8)
    '{"a": 1,→, "b": 2}'
    """
    start = max(0, at - 30)
    return quote(("…" if start else "") + text[start:at] + "→" + text[at : at + 30].rstrip("\r\n"), 70)


class _TooLongError(Exception):
    pass


class _Scanner:
    """A position in a JSON text that is read chunk by chunk; ``line`` counts from 1."""

    def __init__(self, path: Path, stream: IO[bytes], start: int) -> None:
        self.path, self.stream, self.line = path, stream, 1
        self.text, self.at, self.ended = "", 0, False
        self._pending, self._offset = b"", start
        self._line_start = 0  # where the current line begins in self.text; negative when that part was let go

    def _more(self, size: int = CHUNK) -> bool:
        """Reads on; what lies before ``at`` is let go. False at the end of the file."""
        if self.ended:
            return False
        chunk = self.stream.read(size)
        data = self._pending + chunk
        self.ended = not chunk
        try:
            text, used = codecs.utf_8_decode(data, "strict", self.ended)
        except UnicodeDecodeError as error:
            line = self.line + self.text.count("\n", self.at) + data.count(b"\n", 0, error.start)
            raise not_utf8(self.path, error, self._offset + error.start, line) from None
        self._pending, self._offset = data[used:], self._offset + used
        self._line_start -= self.at
        self.text, self.at = self.text[self.at :] + text, 0
        return not self.ended or bool(text)

    def _move(self, end: int) -> None:
        if breaks := self.text.count("\n", self.at, end):
            self.line += breaks
            self._line_start = self.text.rfind("\n", self.at, end) + 1
        self.at = end

    def skip(self) -> str:
        """Moves past white space; the next character, or "" at the end."""
        while True:
            text, end, size = self.text, self.at, len(self.text)
            while end < size and text[end] in " \t\r\n":
                end += 1
            self._move(end)
            if end < size:
                return text[end]
            if not self._more():
                return ""

    def after(self) -> str:
        """The first character that is not white space after the current one, within the text at hand."""
        if len(self.text) - self.at < CHUNK // 2:
            self._more()
        return self.text[self.at + 1 : self.at + CHUNK // 2].lstrip()[:1]

    def take(self, sign: str) -> None:
        if self.skip() != sign:
            raise self.fault(f"{sign} is wanted here")
        self._move(self.at + 1)

    def value(self) -> Json:
        """The value that begins here. Reads on while it is incomplete; _TooLongError past the limit of one row."""
        value: Json
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                # Near the end of what was read, or in an open string, the text may only be incomplete, not wrong.
                incomplete = error.pos >= len(self.text) - 16 or error.msg.startswith("Unterminated")
                if incomplete and not self.ended:
                    if len(self.text) - self.at > ROW_LIMIT:
                        raise _TooLongError from None
                    self._more(max(CHUNK, len(self.text) - self.at))
                    continue
                raise self._misread(error) from None
            except RecursionError:
                raise self.fault("nested too deeply") from None
            except ValueError as error:
                raise self.fault(quote(str(error), 120)) from None
            if end - self.at > ROW_LIMIT:
                raise _TooLongError
            if end >= len(self.text) - 1 and not isinstance(value, (dict, list, str)) and self._more():
                continue  # a number may go on in the next chunk
            self._move(end)
            return value

    def object(self) -> dict[str, Any]:
        """The row that begins here; DataError when it is anything but an object."""
        line, start = self.line, self.text[self.at : self.at + 60]
        try:
            value = self.value()
        except _TooLongError:
            raise too_long(self.path, line) from None
        if (row := as_row(value)) is not None:
            return row
        raise DataError(
            f"{json_type(value)} where an object is wanted: {quote(start.splitlines()[0])}",
            "A row names its columns.",
            'Write each row as an object, such as {"messages": [...]} or {"prompt": "...", "completion": "..."}.',
            Place(self.path, line),
        )

    def _misread(self, error: json.JSONDecodeError) -> DataError:
        end = min(error.pos, len(self.text))
        if error.msg.startswith("Unterminated"):
            message = "the text that begins here is never closed"
        elif self.ended and end >= len(self.text.rstrip()):
            message = "the file ends too early"
        else:
            message = error.msg[:1].lower() + error.msg[1:]
        begin = self.line
        self._move(end)
        since = f" (in the row that begins on line {begin})" if begin != self.line else ""
        return self.fault(message + since)

    def fault(self, message: str) -> DataError:
        """An error at the current place, with the column (from 1) and an excerpt."""
        start = max(0, self._line_start)
        end = self.text.find("\n", self.at)
        text = self.text[start : end if end >= 0 else None]
        return DataError(
            f"column {self.at - self._line_start + 1}: {message}: {excerpt(text, self.at - start)}",
            "The rows after this place cannot be read.",
            f"Correct the file at this line; `python -m json.tool {pasted(self.path)}` checks it.",
            Place(self.path, self.line),
        )
