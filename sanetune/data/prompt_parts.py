"""Put the columns beside a question below it: input, context, and the answers that it offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.data.column_names import BELOW
from sanetune.data.multiple_choice import columns_with_options, option_lines
from sanetune.data.unread import ReadPaths, Unread
from sanetune.errors import DataError
from sanetune.text import json_type

_BELOW = frozenset(BELOW)
COPY = 20
"""Characters from which on a text that is inside another one is a copy of it, and no accident."""


def below_question(values: Mapping[str, object], prompt: object, read: ReadPaths) -> dict[str, Any]:
    """Return under ``input`` the texts beside a question that stand below it; nothing where there are none.

    Args:
        values: The row.
        prompt: The question. Only text has something below it.
        read: Gets the columns that were read; those that the question quotes already are.
    """
    texts: list[str] = []
    for key in () if _BELOW.isdisjoint(values) else BELOW:
        value = _text_of(values.get(key))
        if value is None or value is prompt:
            continue
        if not isinstance(value, str):
            if key == "input":
                read.column(key)
                return {"input": value}  # an error, which is said where it is read
        elif isinstance(prompt, str) or key == "input":
            read.column(key)
            if value.strip() and not is_copy(value, prompt):
                texts.append(value)
    return {"input": "\n\n".join(texts)} if texts else {}


def _text_of(value: object) -> object:
    """A list of texts as one text."""
    texts = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
    return "\n\n".join(texts) if texts and isinstance(value, list) and len(texts) == len(value) else value


def is_copy(text: str, whole: object) -> bool:
    """Return whether ``text`` is inside ``whole``, and long enough for that to be no accident."""
    core = text.strip()
    return isinstance(whole, str) and len(core) >= COPY and core in whole


def with_options(
    found: dict[str, Any], named: object, values: Mapping[str, object], read: ReadPaths, unread: Unread
) -> dict[str, Any]:
    """Return the columns of a row, with the answers that its question offers below it.

    Args:
        found: The columns under their canonical names.
        named: The options, where ``data.fields`` names their column.
        values: The row.
        read: Gets the columns of the options.
        unread: Gets what was done.

    Raises:
        DataError: The options are in no usual form, or the reply is the number of one of them.
    """
    prompt = found.get("prompt")
    keys, options = ([], named) if named is not None else columns_with_options(values)
    lines = option_lines(options) if options is not None and isinstance(prompt, str) else ""
    if not lines or not isinstance(prompt, str):
        if named is None:
            return found
        raise DataError(
            f"the options are {json_type(named)} beside a question that is {json_type(prompt)}",
            "",
            "Write them as a list of texts, or as an object of label and text.",
        )
    reply = found.get("completion")
    if isinstance(reply, int | float) and not isinstance(reply, bool):
        raise DataError(
            f"the reply is a number, {reply}, beside the options of the question",
            "Which of them it means is not known: some files count from 0, others from 1.",
            "Write the letter or the text of the option as the reply.",
        )
    for key in keys:
        read.column(key)
    if all(line in prompt for line in lines.splitlines()):
        return found
    unread.note("the options that it offers stand below the question")
    below = found.get("input")
    return {**found, "input": f"{below}\n\n{lines}" if isinstance(below, str) and below.strip() else lines}
