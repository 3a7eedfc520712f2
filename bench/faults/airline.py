"""The airline conversations as rows of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def conversations(file: Path) -> list[Row]:
    """The published conversations with their tools declared, each up to its last answer.

    The file leaves out the tools that the agents were given; their names and the names of their arguments are those
    that the calls have. The conversations end on the user's word for the end.
    """
    found = [_answered(row["traj"]) for row in json.loads(file.read_text())]
    arguments: dict[str, dict[str, Row]] = {}
    for call in (call for messages in found for message in messages for call in message.get("tool_calls") or ()):
        given = json.loads(call["function"]["arguments"])
        arguments.setdefault(call["function"]["name"], {}).update({name: {} for name in given})
    tools = [_tool(name, properties) for name, properties in sorted(arguments.items())]
    return [{"messages": messages, "tools": tools} for messages in found]


def _tool(name: str, properties: dict[str, Row]) -> Row:
    parameters = {"type": "object", "properties": properties}
    function = {"name": name, "description": name.replace("_", " "), "parameters": parameters}
    return {"type": "function", "function": function}


def _answered(messages: list[Row]) -> list[Row]:
    last = max(number for number, message in enumerate(messages) if message["role"] == "assistant")
    return messages[: last + 1]
