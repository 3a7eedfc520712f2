"""Read rows of the most usual columns at once: what :mod:`sanetune.data.formats` says of them, at twice the speed.

What the columns of a row mean depends on their names alone in nearly every file, so it is found out once for each set
of names.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from sanetune.data import chat_export, content, multiple_choice, reply_tree
from sanetune.data.column_names import (
    BELOW,
    CHATS,
    LABELS,
    LATE_CHATS,
    LATE_PAIRS,
    MEDIA,
    OPTIONS,
    PAIRS,
    PREFERENCES,
    REASONING,
    REPLIES,
    SYSTEMS,
    TEMPLATE_ARGUMENTS,
    TOOLS,
)
from sanetune.data.conversation import Message
from sanetune.data.messages import ALIASES
from sanetune.data.prompt_parts import is_copy
from sanetune.data.unread import Unread
from sanetune.errors import DataError

MEANINGFUL = frozenset(
    (
        *(*CHATS, *LATE_CHATS, *PAIRS, *REPLIES, *BELOW, *SYSTEMS, *TOOLS, *REASONING, *TEMPLATE_ARGUMENTS),
        *(*MEDIA, *LABELS, *OPTIONS, *reply_tree.ROOTS, *reply_tree.REPLIES, *chat_export.COLUMNS),
        *(name for pair in (*LATE_PAIRS, *PREFERENCES) for name in pair),
        *(reply for _, replies in PAIRS.values() for reply in replies),
        *(*multiple_choice.NAMES, "chat_template_kwargs", "history", "instances", "answers", "text"),
    )
)
"""Every name that can change how a row is read."""

SPARE = frozenset(("text",))
"""Names that say nothing where a question has the reply that belongs to it."""


class Usual(NamedTuple):
    """What the columns of a row mean.

    Attributes:
        format: As in :data:`sanetune.data.columns.FORMATS`; "" for messages, which say so themselves.
        names: The columns that are read: those of question and reply, or of the messages.
        below: Whether there is a column ``input`` below the question.
        rest: The others.
    """

    format: str
    names: tuple[str, ...]
    below: bool
    rest: tuple[str, ...]


@lru_cache(256)
def usual(columns: tuple[str, ...]) -> Usual | None:
    """Return what columns mean by their names, or None where it takes more than these.

    >>> usual(("instruction", "input", "output", "id"))
    Usual(format='alpaca', names=('instruction', 'output'), below=True, rest=('id',))
    >>> usual(("question", "answer", "context")) is None
    True
    """
    if not all(type(name) is str and name.islower() for name in columns):
        return None
    known = MEANINGFUL.intersection(columns)
    if len(known) == 1 and (name := next(iter(known))) in CHATS[:3]:
        return Usual("", (name,), False, tuple(one for one in columns if one != name))
    for question, (format_, belonging) in (*PAIRS.items(), ("input", ("prompt-completion", ()))):
        if question not in known:
            continue
        replies = [name for name in belonging if name in known] or [name for name in REPLIES if name in known]
        below = "input" in known and question != "input"
        others = known - {question, *replies, "input"}
        if len(replies) != 1 or others - (SPARE if replies[0] in belonging else frozenset()):
            return None
        used = {question, *replies, "input"} if below else {question, *replies}
        return Usual(format_, (question, replies[0]), below, tuple(one for one in columns if one not in used))
    return None


def quick(values: object) -> tuple[str, list[Message], Unread] | None:
    """Return format and messages of a row, and what nothing reads of it; None where it has to be read with more care.

    >>> quick({"question": "2 + 2?", "answer": "4"})[:2]
    ('question-answer', [{'role': 'user', 'content': '2 + 2?'}, {'role': 'assistant', 'content': '4'}])
    >>> quick({"question": "2 + 2?", "answer": 4}) is None
    True
    """
    if type(values) is not dict or (found := usual(tuple(values))) is None:
        return None
    unread = Unread()
    for name in found.rest:
        value = values[name]
        if type(value) is float and value != value:
            return None
        unread.add(name, value)
    try:
        if found.format:
            messages = _pair(values, found)
            return None if messages is None else (found.format, messages, unread)
        return _chat(values[found.names[0]], unread)
    except DataError:
        return None  # it is said where the row is read with care


def _pair(values: dict[str, Any], found: Usual) -> list[Message] | None:
    prompt, reply = values[found.names[0]], values[found.names[1]]
    if type(prompt) is not str or type(reply) is not str or not reply.strip():
        return None
    content.text(prompt)
    content.text(reply)
    more = values["input"] if found.below else None
    if more is not None:
        if type(more) is not str:
            return None
        if more.strip() and not is_copy(more, prompt):
            content.text(more)
            prompt = f"{prompt}\n\n{more}" if prompt.strip() else more
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]


def _chat(value: object, unread: Unread) -> tuple[str, list[Message], Unread] | None:
    if type(value) is not list or not value:
        return None
    messages: list[Message] = []
    for item in value:
        if type(item) is not dict or len(item) != 2:
            return None
        name, text = (
            (item.get("role"), item.get("content")) if "role" in item else (item.get("from"), item.get("value"))
        )
        role = ALIASES.get(name) if type(name) is str else None
        if type(text) is not str or role is None or role == "call":
            return None
        messages.append({"role": role, "content": content.text(text)})
    return ("messages" if "role" in value[0] else "sharegpt"), messages, unread
