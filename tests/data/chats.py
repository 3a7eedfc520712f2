"""Conversations of every kind, for tests and benchmarks of masks.

Their texts are unique, so that a leak can be seen.
"""

from __future__ import annotations

from typing import Any

from sanetune.data.conversation import Conversation
from sanetune.errors import Place

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "find_order",
            "description": "Finds an order.",
            "parameters": {
                "type": "object",
                "properties": {
                    "order": {"type": "string", "description": "its number"},
                    "limit": {"type": "integer", "description": "how many"},
                },
                "required": ["order"],
            },
        },
    }
]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def reply(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def call(order: str, content: str = "") -> dict[str, Any]:
    function = {"name": "find_order", "arguments": {"order": order, "limit": 7}}
    return reply(content, tool_calls=[{"id": "call00001", "type": "function", "function": function}])


def result(text: str) -> dict[str, Any]:
    return {"role": "tool", "name": "find_order", "tool_call_id": "call00001", "content": text}


KINDS: dict[str, list[dict[str, Any]]] = {
    "one turn": [user("Where is my parcel?"), reply("It left on Monday, at 9:30.")],
    "several turns": [
        user("Is the blue kettle in stock?"),
        reply("Yes: 12 of them."),
        user("And the red one?\n\nI like red."),
        reply("No.\n\nIt comes back in May — naïve hope 🎉"),
    ],
    "system": [
        system("You are Rosa."),
        user("Hello!"),
        reply("Hello, how may I help?"),
        user("Bye"),
        reply("Goodbye!"),
    ],
    "tools": [user("Find order A-17."), call("A-17"), result("A-17: shipped"), reply("It has been shipped.")],
    "reasoning": [
        user("What is 2 + 2?"),
        reply("4", reasoning_content="two and two"),
        user("And 3 + 3?"),
        reply("6", reasoning_content="three and three"),
    ],
}


def conversation(kind: str) -> Conversation:
    return Conversation(KINDS[kind], Place("chats", 1, 0), tools=TOOLS if kind == "tools" else None)
