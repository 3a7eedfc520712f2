"""Check values from a data file: text that is JSON, text that tokenizers take, values that templates can write."""

from __future__ import annotations

from math import inf
from typing import Any

import orjson

from sanetune.errors import DataError
from sanetune.text import json_type, quote

NESTING = 64
"""How deep tools and arguments may be nested: templates walk them recursively."""


PANDAS_ROWS = "Write rows: `frame.to_json(FILE, orient='records', lines=True)`."
PANDAS = f"The file has one object for each column, as pandas writes it. {PANDAS_ROWS}"


def advice(value: object, usual: str) -> str:
    """Say how a value that is neither text nor messages is written; ``usual``: what helps otherwise.

    >>> advice(["yes", "no"], "Write it as text.")
    'A list of texts is no answer: write a row for each, or name one: data.fields: {completion: COLUMN.0}.'
    """
    if isinstance(value, dict) and value and all(key == str(number) for number, key in enumerate(value)):
        return PANDAS
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return "A list of texts is no answer: write a row for each, or name one: data.fields: {completion: COLUMN.0}."
    return usual


def parsed(value: object, column: str) -> object:
    """Return ``value``, or what it says if it is JSON text, as in a cell of a CSV file; of blank text None.

    Raises:
        DataError: ``value`` is other text.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return orjson.loads(value)
    except ValueError:
        python = value.lstrip()[:2] in ("[{", "{'") and "'" in value[:20]
        fix = "It looks like Python, not JSON: write the column with json.dumps." if python else "Write it as JSON."
        raise DataError(f"`{quote(column, 40)}` is text that is not JSON: {quote(value)}", "", fix) from None


def checked(text: str, name: str) -> str:
    """Return ``text`` of the column or field ``name``.

    Raises:
        DataError: It has half of a character (a lone surrogate), which no tokenizer takes.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            found = f"\\u{ord(text[error.start]):04x}"
            raise DataError(
                f"{name} holds half of a character ({found}) at position {error.start:,}",
                "Such text cannot be written as UTF-8 and no tokenizer takes it.",
                "The text ends in the middle of an emoji or was read in the wrong encoding: correct or delete it.",
            ) from None
    return text


def shallow(value: object, names: str) -> None:
    """Check that templates can write ``value`` as JSON; ``names`` says in the plural what it is.

    Raises:
        DataError: It is nested deeper than :data:`NESTING`, or holds what JSON cannot.
    """
    level: list[Any] = [value]
    depth = 0
    while level:
        depth += 1
        if depth > NESTING:
            raise DataError(
                f"{names} are nested more than {NESTING} deep", "Templates cannot write them.", "Flatten them."
            )
        below: list[Any] = []
        for node in level:
            if type(node) is dict:
                for key in node:
                    if type(key) is not str:
                        raise DataError(f"{names} have a key that is {json_type(key)}", "", "Keys are text.")
                    checked(key, names)
                below.extend(node.values())
            elif type(node) is list:
                below.extend(node)
            elif type(node) is str:
                checked(node, names)
            elif (type(node) is int and not -(2**63) <= node < 2**64) or node in (inf, -inf):
                raise DataError(
                    f"{names} hold the number {quote(str(node), 30)}",
                    "It does not fit into 64 bits.",
                    "Write it as text.",
                )
            elif node is not None and type(node) not in (int, float, bool):
                raise DataError(f"{names} hold {json_type(node)}, which JSON cannot write", "", "Write it as text.")
        level = below
