"""What a witness shows of a conversation: a few lines, cut to a length that a table and a page can hold."""

from __future__ import annotations

from dataclasses import replace

from sanetune.data.conversation import Conversation, Message
from sanetune.errors import Place
from sanetune.text import shorten

LENGTH = 400
"""Characters of one conversation that are shown."""


def outline(conversation: Conversation, length: int = LENGTH) -> str:
    """The turns after the system message, one per line, each cut so that all of them share ``length``."""
    if conversation.text is not None:
        return shorten(conversation.text, length)
    turns = [m for m in conversation.messages if m["role"] not in ("system", "developer")] or conversation.messages
    turns = turns[:8]
    each = max(40, length // max(1, len(turns)))
    return "\n".join(f"{turn['role']}: {shorten(text_of(turn), each)}" for turn in turns)


def around(text: str, start: int, end: int, margin: int = 60) -> str:
    """``text[start:end]`` with its surroundings; the middle of a long one is left out."""
    left, right = max(0, start - margin), min(len(text), end + margin)
    inside = shorten(text[start:end], 200)
    return ("…" if left else "") + text[left:start] + inside + text[end:right] + ("…" if right < len(text) else "")


def text_of(message: Message) -> str:
    """What a message says: its text, or what it calls where it says nothing."""
    if message["content"] or not message.get("tool_calls"):
        return str(message["content"])
    calls = [call["function"] for call in message["tool_calls"]]
    return "; ".join(f"{call['name']}({call.get('arguments')})" for call in calls)


def at(conversation: Conversation, message: int) -> Place:
    """The place of one message of a conversation."""
    return replace(conversation.place, message=message) if conversation.messages else conversation.place
