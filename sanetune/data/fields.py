"""Read the columns that ``data.fields`` names, or paths into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.data.naming import PREFIX, is_part
from sanetune.data.unread import ReadPaths
from sanetune.errors import ConfigError, DataError, UserError
from sanetune.text import did_you_mean, json_type, listing, quote, quote_name

CANONICAL = ("messages", "prompt", "completion", "system", "input", "text", "tools", "reasoning", "options", "label")
"""What ``data.fields`` may name; each stands for a column, or for a path into one (``info.history``,
``instances.0.output``). ``role``, ``content``, ``train``, ``train_detail`` and ``role.assistant`` name what is inside
messages."""

MAIN = ("messages", "prompt", "completion", "text")
"""Names that decide the format of a row."""

FIELDS = "data.fields"
"""The key of what holds for all sources."""

JOINED = ("prompt", "input", "system")
"""Names that may stand for several columns, as in ``input: question + context``."""


def name_fields(error: UserError, key: str) -> None:
    """Let ``error``, about some ``fields``, name the ``key`` under which the configuration has them."""
    if key != FIELDS:
        error.message, error.remedy = (text.replace(FIELDS, key) for text in (error.message, error.remedy))


def mapped(values: dict[str, Any], fields: Mapping[str, str], read: ReadPaths) -> dict[str, Any]:
    """Return what ``fields`` name in a row, under their canonical names; what is empty is left out.

    Args:
        values: The row.
        fields: Canonical name -> column, path into one, or several joined by ``+``.
        read: Gets the paths that were read.

    Raises:
        DataError: The row lacks a column that is needed.
        ConfigError: ``fields`` cannot be meant.
    """
    found = {}
    for name, path in fields.items():
        if isinstance(path, str) and is_part(name):
            continue
        if name not in CANONICAL or not isinstance(path, str):
            guess = did_you_mean(str(name), CANONICAL)
            fix = f"{guess}Names are {', '.join(CANONICAL)}; each with the name of a column."
            raise ConfigError(
                f"data.fields: {quote(name, 40)}: {quote(path, 40)} is not understood",
                "",
                f"{fix} Inside messages: role, content, train, {PREFIX}user, {PREFIX}assistant.",
            )
        value, known = _value(values, name, path, read)
        if not known and name in ("messages", "prompt", "text"):
            raise DataError(
                f"no column `{quote(path, 60)}`, which data.fields names as {name}",
                f"Columns found: {columns(values)}.",
                f"{did_you_mean(path, paths(values))}Change data.fields, or correct the row.",
            )
        if value is not None and value == value:
            found[name] = value
    return found


def _value(values: dict[str, Any], name: str, path: str, read: ReadPaths) -> tuple[object, bool]:
    """What is at ``path``, and whether anything is; several columns are joined by blank lines."""
    parts = split_path(values, name, path)
    for part in parts:
        read.add(values, part)
    if len(parts) == 1:
        return at_path(values, parts[0])
    given = [value for part in parts if (value := at_path(values, part)[0]) is not None]
    for value in given:
        if not isinstance(value, str):
            raise DataError(f"`{quote(path, 60)}` joins {json_type(value)}, not text", "", "Name columns with text.")
    return "\n\n".join(text for text in given if isinstance(text, str) and text.strip()) or None, bool(given)


def split_path(values: Mapping[str, object], name: str, path: str) -> list[str]:
    """Return the columns that ``path`` stands for: several where it joins them with ``+``.

    >>> split_path({}, "input", "question + context"), split_path({"a + b": 1}, "input", "a + b")
    (['question', 'context'], ['a + b'])
    """
    return path.split(" + ") if name in JOINED and " + " in path and path not in values else [path]


def at_path(values: object, path: str) -> tuple[object, bool]:
    """Return the value of a column, or of a dotted path into one, and whether it is there.

    >>> at_path({"info": {"chat": [1]}}, "info.chat"), at_path({"info": 7}, "info.chat")
    (([1], True), (None, False))
    >>> at_path({"instances": [{"output": "4"}]}, "instances.0.output")
    ('4', True)
    """
    if isinstance(values, dict) and path in values:
        return values[path], True
    node = values
    for part in path.split("."):
        if isinstance(node, dict) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None, False
    return node, True


def main_format(named: Mapping[str, object], fields: Mapping[str, str]) -> str:
    """Return which of ``messages``, ``prompt`` and ``text`` a row has whose columns ``fields`` name.

    Raises:
        ConfigError: ``fields`` name more than one of them, or none.
        DataError: The column is empty.
    """
    main = [name for name in ("messages", "prompt", "text") if name in named]
    given = [fields[name] for name in ("messages", "prompt", "text") if name in fields]
    if len(main) > 1 or not given:
        message = f"data.fields gives {listing(main)} at once"
        raise ConfigError(
            message if main else "data.fields gives a completion, and no prompt",
            "",
            "Name either messages, or prompt and completion, or text.",
        )
    if not main:
        names = listing(f"`{name}`" for name in given)
        raise DataError(f"the column {names} is empty", "", "Correct or delete the row.")
    return main[0]


def columns(values: Mapping[str, object]) -> str:
    """Return the columns of a row and their types in words."""
    return listing(f"{quote_name(str(key))} ({json_type(value)})" for key, value in values.items()) or "none"


def paths(values: Mapping[str, object]) -> list[str]:
    """Return the names of columns, and of what is one level inside them."""
    inside = [f"{key}.{name}" for key, value in values.items() if isinstance(value, dict) for name in value]
    return [*(str(key) for key in values), *inside]
