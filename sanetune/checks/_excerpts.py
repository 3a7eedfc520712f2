"""What a witness shows of a conversation: a few lines, cut to a length that a table and a page can hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest

from sanetune.data.conversation import Conversation, Message
from sanetune.errors import Place
from sanetune.finding import Witness, most_witnesses
from sanetune.text import shorten

LENGTH = 400
"""Characters of one conversation that are shown."""


def outline(conversation: Conversation, length: int = LENGTH) -> str:
    """The turns after the system message, one per line, shortened to ``length`` characters in all."""
    if conversation.text is not None:
        return shorten(conversation.text, length)
    turns = [m for m in conversation.messages if m["role"] not in ("system", "developer")] or conversation.messages
    turns = turns[:8]
    each = max(40, length // max(1, len(turns)))
    return "\n".join(f"{turn['role']}: {shorten(text_of(turn), each)}" for turn in turns)


def around(text: str, start: int, end: int, margin: int = 60) -> str:
    """``text[start:end]`` with ``margin`` characters on each side; the middle of a long one is left out."""
    left, right = max(0, start - margin), min(len(text), end + margin)
    inside = shorten(text[start:end], 200)
    return ("…" if left else "") + text[left:start] + inside + text[end:right] + ("…" if right < len(text) else "")


def interleave(groups: Iterable[Sequence[Witness]]) -> list[Witness]:
    """Return the first witness of each group, then the second of each, so that a common kind hides no rare one.

    There are at most :func:`~sanetune.finding.most_witnesses`.
    """
    turns = zip_longest(*groups)
    return [witness for turn in turns for witness in turn if witness is not None][: most_witnesses()]


def text_of(message: Message) -> str:
    """What a message says: its text, or what it calls where it says nothing."""
    if message["content"] or not message.get("tool_calls"):
        return str(message["content"])
    calls = [call["function"] for call in message["tool_calls"]]
    return "; ".join(f"{call['name']}({call.get('arguments')})" for call in calls)


def at(conversation: Conversation, message: int) -> Place:
    """The place of one message of a conversation."""
    return replace(conversation.place, message=message) if conversation.messages else conversation.place
