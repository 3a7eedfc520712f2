"""The shapes of conversation in the data: what a chat template has to cope with, whatever the texts say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation, Message
    from sanetune.evidence.conversations import ConversationStore

MOST = 200
"""Kinds that are kept apart; conversations of further shapes are only counted."""

EACH = 3
"""Conversations that are kept of each kind: the first ones."""


@dataclass(slots=True)
class ConversationShape:
    """Conversations with the same roles following each other, the same extra fields and the same template variables,
    however often the roles alternate."""

    words: str
    count: int = 0
    examples: list[Conversation] = field(default_factory=list)


@dataclass(slots=True)
class ConversationShapes:
    """``found`` in the order of their first conversation; ``left_out`` conversations are of none of them; ``chats``
    and ``texts`` count conversations with messages and rows of plain text."""

    found: list[ConversationShape] = field(default_factory=list)
    chats: int = 0
    texts: int = 0
    left_out: int = 0

    def examples(self) -> Iterator[tuple[ConversationShape, Conversation]]:
        """The first conversation of every shape, then the second of every shape, and so on."""
        for number in range(EACH):
            for shape in self.found:
                if number < len(shape.examples):
                    yield shape, shape.examples[number]


def conversation_shapes(conversations: ConversationStore, most: int = MOST) -> ConversationShapes:
    """The shapes of all conversations of both splits, in one pass."""
    return sorted_by_kind(chain.from_iterable(conversations.sides), most)


def sorted_by_kind(conversations: Iterable[Conversation], most: int = MOST) -> ConversationShapes:
    """The shapes of ``conversations``."""
    result = ConversationShapes()
    known: dict[tuple[Any, ...], ConversationShape] = {}
    for conversation in conversations:
        if conversation.text is not None or not conversation.messages:
            result.texts += 1
            continue
        result.chats += 1
        letters = [_letter(message) for message in conversation.messages]
        key = _key(letters, conversation)
        kind = known.get(key)
        if kind is None:
            if len(known) >= most:
                result.left_out += 1
                continue
            kind = known[key] = ConversationShape(_words(letters, conversation))
            result.found.append(kind)
        kind.count += 1
        if len(kind.examples) < EACH:
            kind.examples.append(conversation)
    return result


def _letter(message: Message) -> tuple[str, bool, bool, bool]:
    """Role, and whether it has tool calls, reasoning, and any content."""
    content = message.get("content")
    return (
        str(message.get("role")),
        bool(message.get("tool_calls")),
        bool(message.get("reasoning_content")),
        bool(content),
    )


def _key(letters: list[tuple[str, bool, bool, bool]], conversation: Conversation) -> tuple[Any, ...]:
    kwargs = conversation.template_kwargs
    return (
        letters[0],
        letters[-1],
        frozenset(pairwise(letters)),
        bool(conversation.tools),
        json.dumps(kwargs, sort_keys=True, default=str) if kwargs else "",
    )


def _words(letters: list[tuple[str, bool, bool, bool]], conversation: Conversation) -> str:
    """``system, user, assistant, user, … with tools``: roles until they repeat."""
    seen: list[str] = []
    for number, (role, calls, reasoning, _) in enumerate(letters):
        if number == 6:
            seen.append("…")
            break
        extra = [word for word, there in (("call", calls), ("reasoning", reasoning)) if there]
        seen.append(role + (f" ({', '.join(extra)})" if extra else ""))
    more = [
        word for word, there in (("tools", conversation.tools), ("variables", conversation.template_kwargs)) if there
    ]
    return ", ".join(seen) + (f"; with {' and '.join(more)}" if more else "")
