"""Read tool calls and tool schemas of any usual dialect as OpenAI writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from sanetune.data.json_values import checked, parsed, shallow
from sanetune.data.unread import Unread
from sanetune.errors import DataError
from sanetune.text import json_type, quote

_KEYS = frozenset(("id", "type", "index", "name", "function"))
"""Keys of a call and of its function that are read, or say nothing more."""


def tool_calls(value: object, unread: Unread | None = None, path: str = "tool_calls") -> list[dict[str, Any]]:
    """Return tool calls as OpenAI writes them, with arguments as an object wherever they parse as one.

    >>> tool_calls('{"name": "add", "parameters": {"a": 1}}')
    [{'type': 'function', 'function': {'name': 'add', 'arguments': {'a': 1}}}]

    Args:
        value: A call, a list of calls, or its JSON text.
        unread: Gets what nothing reads of the calls.
        path: Where they were found.

    Raises:
        DataError: ``value`` is no call and no list of calls.
    """
    value = parsed(value, "tool_calls")
    calls = value if isinstance(value, list) else [value]
    return [_call(call, unread or Unread(), path) for call in calls]


def call_lines(message: Mapping[str, Any]) -> str:
    """Return the calls of a message as JSON, a line for each; "" where it has none.

    >>> call_lines({"tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]})
    '{"name":"add","arguments":{"a":1}}'
    """
    calls = [call.get("function", call) for call in message.get("tool_calls") or []]
    return "\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in calls)


def calls_in(value: object) -> list[Any]:
    """Return the calls that ``value`` lists, each with name and arguments, or the JSON text of such a list; else none.

    >>> calls_in('[{"name": "add", "arguments": {"a": 1}}]'), calls_in("[1]"), calls_in("none")
    ([{'name': 'add', 'arguments': {'a': 1}}], [], [])
    """
    if isinstance(value, str):
        try:
            value = orjson.loads(value) if value.lstrip().startswith("[") else None
        except ValueError:
            return []
    calls = value if isinstance(value, list) else []
    return calls if all(isinstance(one, dict) and {"name", "arguments"} <= one.keys() for one in calls) else []


def _call(value: object, unread: Unread, path: str) -> dict[str, Any]:
    function = value.get("function", value) if isinstance(value, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise DataError(
            f"a tool call without a function's name: {quote(value)}",
            "",
            'A call is written {"type": "function", "function": {"name": "...", "arguments": {...}}}.',
        )
    given = "arguments" if "arguments" in function else "parameters"
    arguments = function.get(given)
    unread.add_rest(path, function, _KEYS | {given})
    if isinstance(value, dict) and function is not value:
        unread.add_rest(path, value, _KEYS)
    if isinstance(arguments, str):
        checked(arguments, "arguments")
        try:
            loaded = orjson.loads(arguments) if arguments.strip() else {}
        except ValueError:
            loaded = None
        arguments = loaded if isinstance(loaded, dict) else arguments
    elif arguments is None:
        arguments = {}
    elif not isinstance(arguments, dict):
        raise DataError(f"the arguments of {quote(name, 40)} are {json_type(arguments)}", "", "Write an object.")
    shallow(arguments, "arguments")
    call = {"type": "function", "function": {"name": checked(name, "name"), "arguments": arguments}}
    number = value.get("id") if isinstance(value, dict) else None
    return {"id": checked(number, "id"), **call} if isinstance(number, str) else call


def to_tools(value: object) -> list[dict[str, Any]] | None:
    """Return tool schemas from a list or its JSON text, or None if there are none; a bare function is wrapped as OpenAI
    does.

    Raises:
        DataError: ``value`` is no list of objects.
    """
    value = parsed(value, "tools")
    if not value:
        return None
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        found = (
            json_type(value)
            if not isinstance(value, list)
            else f"a list with {json_type(next(t for t in value if type(t) is not dict))}"
        )
        raise DataError(f"`tools` is {found}, not a list of objects", "", "Write the schemas as a list of objects.")
    shallow(value, "tools")
    return [schema for tool in value for schema in _schemas(tool)]


def _schemas(tool: dict[str, Any]) -> list[dict[str, Any]]:
    """One tool as OpenAI writes it; several where Google lists them under one key."""
    for key in ("functionDeclarations", "function_declarations"):
        if isinstance(listed := tool.get(key), list) and all(isinstance(one, dict) for one in listed):
            return [schema for one in listed for schema in _schemas(one)]
    if "name" not in tool or "function" in tool:
        return [tool]
    if "parameters" not in tool and isinstance(tool.get("input_schema"), dict):
        tool = {"parameters" if key == "input_schema" else key: value for key, value in tool.items()}
    return [{"type": "function", "function": tool}]
