"""Find the messages in a rendered conversation without marks: the independent route.

What a template puts before a turn is read off a small conversation of its own
(:class:`~sanetune.evidence.template_literals.Literals`). In a rendered conversation each message's texts are then
sought from left to right, behind the header of its role where it has one. A text may be written as it is, escaped as
within JSON, or as the values of the JSON that it holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sanetune.data.conversation import Conversation, Message
from sanetune.evidence.template_literals import Literals

_TAGS_ONLY = re.compile(r"(?:\s|<[^<>]{1,60}>|\[[^\[\]]{1,40}\])*")

_SPACE = re.compile(r"\s*")
_NO_THOUGHT = re.compile(r"\s*<think>\s*</think>")

AROUND = 400
"""Characters by which the values of a JSON text may be further apart than the text is long."""


class Span(NamedTuple):
    """Characters ``start`` to ``end`` are a text of ``message``, written by ``role`` (``end``: what ends an assistant
    turn)."""

    start: int
    end: int
    role: str
    message: int


@dataclass(slots=True)
class LocatedMessages:
    """The spans of a conversation in order, the assistant turns as (start, end) without their headers, and the
    (message, field) pairs that the text does not hold. ``sure`` is False where an assistant's text was not found."""

    spans: list[Span] = field(default_factory=list)
    turns: list[tuple[int, int]] = field(default_factory=list)
    dropped: list[tuple[int, str]] = field(default_factory=list)
    sure: bool = True


@dataclass(slots=True)
class _Turn:
    """An assistant's turn whose end is still to be found."""

    message: int
    begin: int
    at: int
    calls: bool


def find(text: str, conversation: Conversation, literals: Literals) -> LocatedMessages:
    """Return where every message's texts are in ``text``."""
    search = _Search(text, conversation.messages, literals)
    for number in range(len(conversation.messages)):
        search.message(number)
    return search.ended()


@dataclass(slots=True)
class _Search:
    """Goes through a rendered conversation once, from left to right; ``at``: where it has come to."""

    text: str
    messages: Sequence[Message]
    literals: Literals
    at: int = 0
    found: LocatedMessages = field(default_factory=LocatedMessages)
    turns: list[_Turn] = field(default_factory=list)

    def message(self, number: int) -> None:
        """Find the texts of one message, and go on behind them."""
        message = self.messages[number]
        role = str(message["role"])
        if role == "assistant":
            self._assistant(number, message)
            return
        role = "system" if role == "developer" else role
        pieces = list(_pieces(message))
        _, begin, limit, _ = self._region(role, pieces)
        for name, piece in pieces:
            behind = self._within(piece, begin, limit) if role in self.literals.headers else None
            place = behind or self._ahead(piece, number) or self._values(piece)
            if place is not None:
                self.found.spans.append(Span(*place, role, number))
                begin = self.at = place[1]
            elif place := self._within(piece, 0, len(self.text)):
                self.found.spans.append(Span(*place, role, number))  # moved, as a system text into the last question
            else:
                self.found.dropped.append((number, name))

    def _assistant(self, number: int, message: Message) -> None:
        pieces = list(_pieces(message))
        header, begin, limit, direct = self._region("assistant", pieces)
        first = self._ahead(pieces[0][1], number) if pieces else None
        if not direct and first is not None and first[0] < header:
            begin = self.at  # the next header is that of a later turn
        thought = _NO_THOUGHT.match(self.text, begin)
        written = thought.end() if thought and pieces and not pieces[0][1].startswith("<think>") else begin
        last, at = None, written  # a tool may be called think, too
        for (name, piece), arguments in zip(pieces, _arguments(message, pieces), strict=True):
            place = self._within(piece, at, limit) or self._within(piece, written, limit) or self._ahead(piece, number)
            given = [self._within(leaf, written, len(self.text)) for leaf in arguments]
            if place is None or not all(given):
                self.found.dropped.append((number, name))
                self.found.sure = self.found.sure and name == "reasoning_content"
                continue
            self.found.spans.append(Span(*place, "assistant", number))
            behind = [self._within(leaf, place[1], len(self.text)) for leaf in arguments]
            last = at = max(last or 0, place[1], *(one[1] for one in behind if one))
        if last is not None:
            self.at = last
            self.turns.append(_Turn(number, begin, last, bool(message.get("tool_calls"))))

    def ended(self) -> LocatedMessages:
        """Return what was found, with the end of every assistant turn."""
        starts = sorted(span.start for span in self.found.spans)
        for turn in self.turns:
            limit = next((start for start in starts if start >= turn.at), len(self.text))
            end = self._end(turn, limit)
            if end is None:  # what follows the name of a call is the model's all the same
                self.found.turns.append((turn.begin, limit if turn.calls else turn.at))
                continue
            if turn.calls:  # what is between the pieces of a call is the model's to write, too
                self.found.spans.append(Span(turn.at, end.start, "assistant", turn.message))
            self.found.spans.append(end)
            self.found.turns.append((turn.begin, end.end))
        self.found.spans.sort(key=lambda span: (span.message, span.start))
        return self.found

    def _end(self, turn: _Turn, limit: int) -> Span | None:
        """The end of a turn, before the next message's text: directly behind it, or with nothing but tags between;
        behind a call anything may be between."""
        rest = self._past_space(turn.at)
        for end in self.literals.ends:
            if self.text.startswith(end, rest):
                return Span(rest, rest + len(end), "end", turn.message)
        places = [(at, end) for end in self.literals.ends if (at := self.text.find(end, turn.at, limit)) >= 0]
        if not places:
            return None
        place, end = min(places)
        if not turn.calls and not _TAGS_ONLY.fullmatch(self.text, turn.at, place):
            return None
        return Span(place, place + len(end), "end", turn.message)

    def _region(self, role: str, pieces: list[tuple[str, str]]) -> tuple[int, int, int, bool]:
        """(header, begin, limit, direct): where the next header of ``role`` is, what follows it up to the next
        question, and whether the message's first text follows at once."""
        header = self.literals.headers.get(role, "")
        prompts = [one for one in (self.literals.prompts if role == "assistant" else ()) if one]
        starts = {one: self.text.find(one, self.at) for one in (*prompts, header) if one}
        first = min((start for start in starts.values() if start >= 0), default=-1)
        if first < 0:
            return self.at, self.at, len(self.text), False
        begins = [start + len(one) for one, start in starts.items() if 0 <= start <= first + len(one)]
        begin = begins[0] if role == "assistant" else max(begins)
        words = pieces[0][1] if pieces else ""
        direct = bool(words) and any(self.text.startswith(words, self._past_space(at)) for at in begins)
        question = self.literals.headers.get("user", "")
        limit = self.text.find(question, begin) if question and not direct else -1
        return first, begin, limit if limit >= 0 else len(self.text), direct

    def _past_space(self, at: int) -> int:
        space = _SPACE.match(self.text, at)
        return space.end() if space else at

    def _within(self, piece: str, begin: int, limit: int) -> tuple[int, int] | None:
        """The first place of a text between two others, however it is spelt."""
        for spelling in _spellings(piece):
            place = self.text.find(spelling, begin, limit)
            if place >= 0:
                return place, place + len(spelling)
        return None

    def _ahead(self, piece: str, number: int) -> tuple[int, int] | None:
        """The first place of a text from here on; None where the next message's text would be passed over."""
        place = self._within(piece, self.at, len(self.text))
        following = next((piece for one in self.messages[number + 1 : number + 2] for _, piece in _pieces(one)), None)
        if place is None or following is None or self._within(following, place[1], len(self.text)):
            return place
        return None if self._within(following, self.at, place[0]) else place

    def _values(self, piece: str) -> tuple[int, int] | None:
        """From the first to the last value of a JSON text, where the template writes it in its own way."""
        try:
            value = json.loads(piece)
        except ValueError:
            return None
        leaves = list(_leaves(value)) if isinstance(value, (dict, list)) else []
        start, at, limit = None, self.at, self.at + len(piece) + AROUND
        for leaf in leaves:
            place = self._within(leaf, at, limit)
            if place is None:
                return None
            start, at = place[0] if start is None else start, place[1]
        return None if start is None else (start, at)


def _pieces(message: Message) -> Iterator[tuple[str, str]]:
    """(field, text) of a message in the order in which templates write them; no outer white space, nothing empty."""
    for name in ("reasoning_content", "content"):
        if isinstance(value := message.get(name), str) and value.strip():
            yield name, value.strip()
    for call in message.get("tool_calls") or ():
        name = str(call["function"]["name"]).strip()
        if name:
            yield "tool_calls", name


def _arguments(message: Message, pieces: Sequence[tuple[str, str]]) -> Iterator[list[str]]:
    """The texts among the arguments of the call that each piece names: a name alone may be the tool's."""
    calls = iter(message.get("tool_calls") or ())
    for name, _ in pieces:
        given = next(calls)["function"]["arguments"] if name == "tool_calls" else None
        yield [leaf for leaf in _leaves(given) if not leaf.isdigit()]


def _spellings(piece: str) -> Iterator[str]:
    """A text as it is, and as it is within JSON: in UTF-8, and in ASCII."""
    yield piece
    escaped = json.dumps(piece, ensure_ascii=False)[1:-1]
    if escaped != piece:
        yield escaped
    if not escaped.isascii():
        yield json.dumps(piece)[1:-1]


def _leaves(value: object) -> Iterator[str]:
    """The texts and numbers of a JSON value."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, str) and value.strip():
        yield value.strip()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield json.dumps(value)
