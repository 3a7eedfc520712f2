"""Read the content and the reasoning of a message: text, or typed parts that are text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

from sanetune.data.column_names import REASONING
from sanetune.data.json_values import checked
from sanetune.data.unread import Unread
from sanetune.errors import DataError
from sanetune.text import json_type, quote

ONLY_TEXT = "Only text is trained; without the rest the answer would be about something that the model never sees."

TEXTS = ("text", "input_text", "output_text")
THOUGHTS = ("thinking", "reasoning")
"""Types of parts that are text, and that are reasoning."""

_PLACEHOLDER = re.compile(
    r"(?<!`)(?:<(image|video|audio)>(?!`)|<(?:image|video|audio)_\d+>|<image_placeholder>|<ImageHere>"
    r"|<\|(?:image|video|audio)(?:_pad|_\d+)?\|>|<\|vision_start\|>)"
)


def text(value: str, name: str = "content") -> str:
    """Return ``value``, which is text of a conversation.

    Raises:
        DataError: No tokenizer takes it, or a picture, a video or a sound belongs in it.
    """
    if "<" in value and (found := _PLACEHOLDER.search(value)) and f"</{found[1]}>" not in value:
        raise DataError(
            f"{name} holds `{found[0]}`, the place of what is no text",
            ONLY_TEXT,
            "Take such rows out, or the placeholder where nothing belongs in its place.",
        )
    return checked(value, name)


def of(content: object, unread: Unread, path: str) -> tuple[str, str]:
    """Return (text, reasoning) of a message's content: a string, nothing, or typed parts that are all text.

    Args:
        content: As in the file.
        unread: Gets what nothing reads of the parts.
        path: Where the content was found.
    """
    if content is None:
        return "", ""
    if isinstance(content, str):
        return text(content), ""
    if not isinstance(content, list):
        raise DataError(
            f"content is {json_type(content)}, not text",
            "",
            "Write it as text (an object with json.dumps) or as a list of text parts.",
        )
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(text(part))
            continue
        name = part.get("type", "text") if isinstance(part, dict) else None
        key = _key(part, name) if isinstance(part, dict) and isinstance(name, str) else None
        if key is None:
            raise _no_text(part)
        unread.add_rest(path, part, {"type", key})
        (texts if name in TEXTS else thoughts).append(text(part[key]))
    return "".join(texts), "\n".join(thoughts)


def _key(part: Mapping[str, object], name: str) -> str | None:
    """The key of a typed part that holds its text."""
    if name not in (*TEXTS, *THOUGHTS):
        return None
    keys = ("text", "value", "content") if name in TEXTS else (name, "text", "value", "content")
    return next((key for key in keys if isinstance(part.get(key), str)), None)


def _no_text(part: object) -> DataError:
    typed = isinstance(part, dict) and "type" in part
    found = f"of type {quote(part['type'], 40)!r}" if typed else f"that is {json_type(part)}"  # type: ignore[index]
    return DataError(f"a content part {found}", "Only text is supported.", "Take out rows with images, audio or files.")


def reasoning(values: Mapping[str, object]) -> tuple[str, str]:
    """Return the reasoning in a message or a row and its key; two empty texts where there is none.

    >>> reasoning({"role": "assistant", "reasoning_details": [{"type": "reasoning.text", "text": "2 and 2"}]})
    ('2 and 2', 'reasoning_details')

    Raises:
        DataError: It is no text.
    """
    for key in REASONING:
        value = values.get(key)
        if not value or isinstance(value, bool):
            continue
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            value = "\n".join(said for one in value if (said := _detail(one)))
        if not isinstance(value, str):
            raise DataError(f"the reasoning is {json_type(value)}, not text", "", "Write text in `reasoning_content`.")
        if value.strip():
            return text(value, "reasoning"), key
    return "", ""


def _detail(part: Mapping[str, object]) -> str:
    """The text of one of ``reasoning_details``, whose parts may be text, summaries, or encrypted."""
    found = part.get(_detail_key(part))
    return found if isinstance(found, str) else ""


def _detail_key(part: Mapping[str, object]) -> str:
    return next((key for key in ("text", "summary", "content") if isinstance(part.get(key), str)), "")


def add_rest_of_details(values: Mapping[str, object], read: Set[str], unread: Unread, path: str) -> None:
    """Note what nothing reads of reasoning that is a list of objects, under the keys ``read`` of ``values``."""
    for key in read & set(REASONING):
        details = values[key]
        for detail in details if isinstance(details, list) else []:
            unread.add_rest(f"{path}.{key}" if path else key, detail, {"type", _detail_key(detail)})
