"""Find the messages in a rendered conversation without marks: the independent route.

What a template puts before a turn is read off a small conversation of its own (:class:`Literals`). In a rendered
conversation each message's texts are then looked for from left to right, behind the header of its role.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sanetune.data.conversation import Conversation, Message
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import TemplateError

PROBES = ("sanetune zero", "sanetune one", "sanetune two", "sanetune three")
"""Texts that no template and no data contain."""

_TAG = re.compile(r"<\|[^<>\s]{1,60}\|>|<[^<>\s|]{1,60}>|\[[A-Z_/]{2,40}\]|<[^<>]{1,20}>")


_NO_THOUGHT = re.compile(r"\s*<think>\s*</think>")


class Span(NamedTuple):
    """Characters ``start`` to ``end`` are a text of ``message``, written by ``role`` (``end``: what ends an assistant
    turn)."""

    start: int
    end: int
    role: str
    message: int


@dataclass(frozen=True, slots=True)
class Literals:
    """What a template writes around messages: the header before a user's and an assistant's text, and the strings that
    end an assistant turn (the first that fits counts)."""

    headers: dict[str, str]
    ends: tuple[str, ...]

    @classmethod
    def of(cls, template: ChatTemplate, stops: Sequence[str]) -> Literals:
        """Read off a rendered conversation of :data:`PROBES`; ``stops`` are strings that end generation anyway."""
        pieces = _around(template, PROBES) or _around(template, PROBES[:2])
        if pieces is None:
            return cls({}, tuple(stops))
        begin, header, *between, tail = pieces
        last = _first_tag(tail)
        tags = [_first_tag(between[0]) if between and not _is_header(between[0], begin, last) else "", last]
        closing = tuple(dict.fromkeys(tag for tag in (*tags, *stops) if tag))
        headers = {"assistant": _header(header, closing), "user": _header(between[0] if between else begin, closing)}
        return cls({role: header for role, header in headers.items() if header.strip()}, closing)


def _around(template: ChatTemplate, probes: Sequence[str]) -> list[str] | None:
    """What the template writes before, between and after ``probes``; None where it does not render them in order
    (some take one question only)."""
    messages: list[Message] = [
        {"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(probes)
    ]
    try:
        text = template.render(messages)
    except TemplateError:
        return None
    places = [text.find(probe) for probe in probes]
    if min(places) < 0 or places != sorted(places):
        return None
    starts = [0, *(at + len(probe) for at, probe in zip(places, probes, strict=True))]
    return [text[start:stop] for start, stop in zip(starts, [*places, len(text)], strict=True)]


def _is_header(between: str, begin: str, last: str) -> bool:
    """Whether all of ``between``, which is between a reply and the next question, is the question's header: it is
    before the first question as well, and nothing ends the last reply."""
    return not last and begin.endswith(between.lstrip())


def _first_tag(text: str) -> str:
    """The tag that comes first, when nothing but white space is before it."""
    found = _TAG.match(text.lstrip())
    return found[0] if found else ""


def _header(text: str, ends: Sequence[str]) -> str:
    """The last turn's header out of what is between two texts: without the end of the turn before, and without an
    empty block of reasoning, which is the model's to write.

    Kept long enough to be told from data: from the last tag but one, or the last line that says something.
    """
    for end in ends:
        text = text.lstrip().removeprefix(end) if text.lstrip().startswith(end) else text
    if (thought := text.find("<think>")) > 0 and text[:thought].strip():
        text = text[:thought]
    tags = list(_TAG.finditer(text))
    if tags:
        first = tags[-2] if len(tags) > 1 and not text[tags[-1].end() :].strip() else tags[-1]
        return text[first.start() :]
    lines = text.rstrip("\n ").rfind("\n")
    return text[lines + 1 :]


@dataclass(slots=True)
class LocatedMessages:
    """The spans of a conversation in order, the assistant turns as (start, end) without their headers, and the
    (message, field) pairs that the text does not hold. ``sure`` is False where an assistant's text was not found."""

    spans: list[Span] = field(default_factory=list)
    turns: list[tuple[int, int]] = field(default_factory=list)
    dropped: list[tuple[int, str]] = field(default_factory=list)
    sure: bool = True


def find(text: str, conversation: Conversation, literals: Literals) -> LocatedMessages:
    """Looks for every message's texts in ``text``, from left to right."""
    found, at = LocatedMessages(), 0
    for number, message in enumerate(conversation.messages):
        role = str(message["role"])
        role = "system" if role == "developer" else role
        header = literals.headers.get(role, "")
        start = text.find(header, at) if header else -1
        begin = start + len(header) if start >= 0 else at
        if role == "assistant":
            at = _assistant(text, message, number, begin, literals, found)
            continue
        for name, piece in _pieces(message):
            place = text.find(piece, begin)
            if place < 0 and begin > at:
                place = text.find(piece, at)
            if place < 0:
                found.dropped.append((number, name))
                continue
            found.spans.append(Span(place, place + len(piece), role, number))
            begin = at = place + len(piece)
    return found


def _assistant(text: str, message: Message, number: int, begin: int, literals: Literals, found: LocatedMessages) -> int:
    """One assistant turn: its texts, then its end. Returns where to go on."""
    at, last = begin, None
    pieces = list(_pieces(message))
    if (thought := _NO_THOUGHT.match(text, begin)) and pieces and not pieces[0][1].startswith("<think>"):
        at = thought.end()  # a tool may be called think, too
    for name, piece in pieces:
        place = text.find(piece, at)
        if place < 0:
            found.dropped.append((number, name))
            found.sure = found.sure and name == "reasoning_content"
            continue
        last = Span(place, place + len(piece), "assistant", number)
        found.spans.append(last)
        at = last.end
    if last is None:
        return begin
    end = _end(text, at, literals.ends, within=bool(message.get("tool_calls")))
    if end is None:
        found.turns.append((begin, at))
        return at
    if message.get("tool_calls"):  # what stands between the pieces of a call is the model's to write, too
        found.spans.append(Span(at, end.start, "assistant", number))
    found.spans.append(end._replace(message=number))
    found.turns.append((begin, end.end))
    return end.end


def _end(text: str, at: int, ends: tuple[str, ...], *, within: bool) -> Span | None:
    """The end of the turn whose text ends at ``at``: directly behind it, with nothing but white space or a closing tag
    between; ``within``: anything may stand between (the rest of a tool call)."""
    rest = len(text) - len(text[at:].lstrip())
    for end in ends:
        if text.startswith(end, rest):
            return Span(rest, rest + len(end), "end", -1)
    if within:
        places = [(place, end) for end in ends if (place := text.find(end, at)) >= 0]
        if places:
            place, end = min(places)
            return Span(place, place + len(end), "end", -1)
    return None


def _pieces(message: Message) -> Iterator[tuple[str, str]]:
    """(field, text) of a message in the order in which templates write them; no outer white space, nothing empty."""
    for name in ("reasoning_content", "content"):
        if isinstance(value := message.get(name), str) and value.strip():
            yield name, value.strip()
    for call in message.get("tool_calls") or ():
        yield from _call(call)


def _call(call: dict[str, Any]) -> Iterator[tuple[str, str]]:
    name = str(call["function"]["name"]).strip()
    if name:
        yield "tool_calls", name
