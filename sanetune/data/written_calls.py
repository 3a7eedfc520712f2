"""Find the tool calls that a model has written into its answer, in the ways that templates write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

LONGEST = 20_000
"""Characters of an answer that are read."""

_TAGGED = re.compile(r"<tool_call>\s*(\{.*?\})\s*(?:</tool_call>|\Z)", re.DOTALL)
_LISTED = re.compile(r"(?:\[TOOL_CALLS\]|<\|tool_calls?\|>|<\|tool_call_begin\|>)\s*(\[.*|\{.*)", re.DOTALL)
_ALONE = re.compile(r"\s*(?:<\|python_tag\|>)?\s*(\{.*\}|\[\s*\{.*\}\s*\])\s*(?:<\|[a-z_]+\|>)?\s*\Z", re.DOTALL)


def written_calls(text: str) -> Iterator[object]:
    """Yield the JSON of each call in an answer; one that cannot be read as a call is yielded as an empty object.

    >>> list(written_calls('<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'))
    [{'name': 'add', 'arguments': {'a': 1}}]
    >>> list(written_calls("There is no tool for that."))
    []
    """
    tagged = _TAGGED.findall(text)
    if not tagged and "<tool_call>" in text:
        yield {}
    if not tagged and (found := _LISTED.search(text) or _ALONE.match(text)):
        tagged = [found[1].strip()]
    for raw in tagged:
        value = _parsed(raw)
        if value is None or (isinstance(value, dict) and not tagged_call(value)):
            if not _ALONE.match(text):
                yield {}
            continue
        yield value


def tagged_call(value: dict[str, Any]) -> bool:
    """Return whether an object is a call: it names a function and its arguments."""
    function = value.get("function", value)
    return isinstance(function, dict) and "name" in function and bool({"arguments", "parameters"} & function.keys())


def _parsed(raw: str) -> object:
    """The JSON at the beginning of ``raw``, which special tokens may follow; None where it is none."""
    import json

    try:
        return orjson.loads(raw)
    except ValueError:
        pass
    try:
        return json.JSONDecoder().raw_decode(raw)[0]
    except (ValueError, RecursionError):
        return None
