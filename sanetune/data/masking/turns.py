"""Where each assistant turn begins and ends in the text that a chat template renders.

A turn is what the model has to write: everything after the prompt that inference would give it (the *header*,
``<|im_start|>assistant`` and its like) up to and including the token that ends it. No template is changed and none
needs markers. Three renderings tell all:

1. the conversation with invisible marks around its texts (:mod:`sanetune.data.masking.markers`): where each
   message stands;
2. the messages before the turn, with a generation prompt: what stands between the text before and the turn;
3. the messages up to the turn, with and without a generation prompt: what closes the turn.

Conversations of one shape (roles, tools, white space) get one *frame* around their texts; the next one of that shape
is rendered once and compared with its frame, character by character (:mod:`sanetune.data.masking.turn_cache`).

2 and 3 are compared with the text of 1 from the nearest mark on, so a template that rewrites history (dropping the
reasoning of earlier turns, say) is no obstacle. Where they do not fit, that is an error with the row and the message:
nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import orjson

from sanetune.data.conversation import Conversation, Message
from sanetune.data.masking.markers import RESERVED, Found, Mark, Marker
from sanetune.data.masking.turn_cache import Frame, Rendering, Texts, Turn
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import Place, TemplateError

_TAG = re.compile(r"<[^<>\s]{1,64}>|\[[^\[\]\s]{1,64}\]")
"""What a template's own tokens look like; a border between header, turn and end never falls inside one."""

FRAMES = 10_000
"""Shapes of conversation whose frames are remembered."""


@dataclass(frozen=True, slots=True)
class _Tail:
    """What a rendering has after its last mark, and which mark that is (message counted back from the end)."""

    text: str
    mark: tuple[int, str] | None


class TurnFinder:
    """Renders conversations with one template and finds their turns.

    ``stops``: texts of the model's own end tokens.
    """

    def __init__(self, template: ChatTemplate, stops: tuple[str, ...] = ()) -> None:
        self.template, self.stops = template, tuple(stop for stop in stops if stop)
        self._tails: dict[tuple[Any, ...], _Tail | None] = {}
        self._frames: dict[bytes, Frame] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return (TurnFinder, (self.template, self.stops))

    def find(self, conversation: Conversation) -> Rendering:
        """The rendering of ``conversation``; raises :class:`TemplateError` with file, line, row and message."""
        try:
            return self._find(conversation)
        except TemplateError as error:
            if error.place is None:
                error.place = conversation.place
            raise

    def _find(self, conversation: Conversation) -> Rendering:
        tools, kwargs = conversation.tools, conversation.template_kwargs
        messages = self.template.adapted(conversation.messages)
        text = self.template.render_as_is(messages, tools, kwargs)
        texts = Texts(messages)
        key = orjson.dumps((texts.shape, tools, kwargs), option=orjson.OPT_NON_STR_KEYS)
        frame = self._frames.get(key)
        if frame is not None and (rendering := frame.filled(texts.cores, text)) is not None:
            return rendering
        search = _Search(self, conversation, messages, text)
        rendering = search.rendering()
        if len(self._frames) < FRAMES and (frame := Frame.of(rendering, search.found, texts)) is not None:
            self._frames[key] = frame
        return rendering

    @cached_property
    def generation_prompt(self) -> str:
        """What inference appends after a user's message (may be empty)."""
        marker = Marker()
        user = [marker.mark(self.template.adapted([{"role": "user", "content": "probe"}])[0], 0)]
        try:
            without, with_prompt = (
                marker.read(self.template.render_as_is(user, add_generation_prompt=flag))[0] for flag in (False, True)
            )
        except TemplateError:  # a template that cannot render a lone user turn tells us nothing here
            return ""
        return with_prompt[_shared(without, with_prompt) :]


class _Search:
    """One conversation being searched."""

    def __init__(self, finder: TurnFinder, conversation: Conversation, messages: list[Message], text: str) -> None:
        self.finder, self.conversation = finder, conversation
        self.tools, self.kwargs = conversation.tools, conversation.template_kwargs
        self.messages, self.text = messages, text
        if RESERVED.search(self.text):
            raise TemplateError(
                "The text holds Unicode noncharacters (U+FDD0 to U+FDDF).",
                "They are reserved for programs' own use, no valid text has them, and turns cannot be marked beside.",
                "Remove them from the row.",
            )
        self.marker = Marker()
        self.marked = [self.marker.mark(message, index) for index, message in enumerate(self.messages)]
        plain, self.found = self.marker.read(self._render(self.marked))
        if plain != self.text:
            self._leave_unmarked_what_disturbs()

    def rendering(self) -> Rendering:
        turns = [
            turn
            for index, message in enumerate(self.messages)
            if message.get("role") == "assistant" and (turn := self._turn(index)) is not None
        ]
        for before, after in pairwise(turns):
            if before.end > after.start:
                raise self._lost(after.message, "its turn overlaps that of an earlier message")
        return Rendering(self.text, turns, self._omitted())

    def _turn(self, index: int) -> Turn | None:
        numbers = [number for number, found in enumerate(self.found) if found.mark.message == index]
        if not numbers:
            if not any(mark.message == index for mark in self.marker.marks):
                return None  # an empty reply: there is nothing that could be learnt
            raise self._lost(index, "none of its text is in what the template renders")
        first, last = numbers[0], numbers[-1]
        if len(numbers) != last - first + 1:
            raise self._lost(index, "the template puts another message's text inside it")
        start = self._start(index, self.found[first - 1] if first else None, self.found[last].at)
        written = self.found[last].at
        following = self.found[last + 1].at if last + 1 < len(self.found) else None
        closing = self._closing(index, self.text[written:following], is_last=following is None)
        return Turn(index, start, written + len(closing), closing)

    def _start(self, index: int, anchor: Found | None, limit: int) -> int:
        """Where the header ends: the inference prompt for this turn is followed from the last mark before it."""
        at = anchor.at if anchor else 0
        here = self.text[at:limit]
        mark = _relative(anchor.mark if anchor else None, index)
        prompt = self._tail(index, True, lambda tail: tail.mark == mark and here.startswith(tail.text))
        if prompt is None or prompt.mark != mark:
            return self._start_by_prefix(index, limit)
        if here.startswith(prompt.text):
            return self._past_header(at + len(prompt.text))
        shared, missing = _split(prompt.text, here)
        without = self._tail(index, False)
        header = prompt.text[_shared(without.text, prompt.text) :] if without else prompt.text
        # A turn may lack the end of the generation prompt (an opened <think>, say), but not its beginning: the role.
        if not shared or len(missing) >= len(header):
            raise self._lost(index, f"the header that inference gives it, {header!r}, is not what stands before it")
        opened = re.search(r"<(\w+)>\s*$", shared)
        if opened and f"</{opened[1]}>" in here:  # the turn closes that tag itself, so it has to open it as well
            shared = shared[: opened.start()]
        return at + len(shared)

    def _past_header(self, start: int) -> int:
        """Some templates give no prompt after a tool's answer and yet write the header: it is a header all the
        same."""
        header = self.finder.generation_prompt
        return start + len(header) if header and self.text.startswith(header, start) else start

    def _start_by_prefix(self, index: int, limit: int) -> int:
        try:
            prompt = self._render(self.messages[:index], add_generation_prompt=True)
        except TemplateError:
            raise self._lost(index, "the messages before it cannot be rendered without it") from None
        if len(prompt) > limit or not self.text.startswith(prompt):
            raise self._lost(index, "the text before it is not what the messages before it render to")
        return len(prompt)

    def _closing(self, index: int, after: str, is_last: bool) -> str:
        """What ends the turn, out of the text ``after`` its last character; trailing white space is not part of
        it."""
        plain = (
            _Tail(after, None) if is_last else self._tail(index + 1, False, lambda tail: after.startswith(tail.text))
        )
        prompted = self._tail(index + 1, True)
        prompt = self.finder.generation_prompt
        bare = prompted.text.removesuffix(prompt) if prompted and prompted.text.endswith(prompt) else ""
        if bare.strip() and after.startswith(bare):
            closing = bare
        elif plain and after.startswith(plain.text):
            closing = plain.text
        else:
            closing = _split(plain.text, after)[0] if plain else ""
        closing = closing.rstrip()
        if not any(stop in closing for stop in self.finder.stops):
            # Some templates (GLM) have no end token: the next turn's header is the model's stop token.
            closing += next((stop for stop in self.finder.stops if after[len(closing) :].startswith(stop)), "")
        return closing

    def _tail(self, count: int, prompted: bool, fits: Callable[[_Tail], bool] | None = None) -> _Tail | None:
        """The tail of the first ``count`` messages, remembered by what it is made of (:meth:`_since`); made anew where
        that does not fit."""
        since = self._since(count)
        shape = orjson.dumps((_without_ids(Texts(self.messages[since:count]).shape), self.kwargs))
        key = (since == 0, shape, bool(self.tools), prompted)
        tails = self.finder._tails
        if key not in tails or (fits and (known := tails[key]) and not fits(known)):
            try:
                text = self._render(self.marked[:count], add_generation_prompt=prompted)
            except TemplateError:
                tails[key] = None
            else:
                plain, found = self.marker.read(text)
                at, mark = (found[-1].at, found[-1].mark) if found else (0, None)
                tails[key] = _Tail(plain[at:], _relative(mark, count))
        return tails[key]

    def _since(self, count: int) -> int:
        """From which message on the tail of the first ``count`` is made: the last that has a mark, at least the last
        two.

        Without that, exchanges that hold no text would be taken for fewer of their kind.
        """
        marked = max((found.mark.message for found in self.found if found.mark.message < count), default=0)
        return max(min(marked, count - 2), 0)

    def _leave_unmarked_what_disturbs(self) -> None:
        """Some templates look at how a message starts or ends: such a one stays unmarked, unless it has to be
        learnt."""
        for index, message in enumerate(self.messages):
            alone = [*self.messages[:index], self.marked[index], *self.messages[index + 1 :]]
            if self.marker.read(self._render(alone))[0] != self.text:
                if message.get("role") == "assistant":
                    raise self._lost(
                        index, "the template changes its text depending on how it begins, ends or how long it is"
                    )
                self.marked[index] = message
        plain, self.found = self.marker.read(self._render(self.marked))
        if plain != self.text:
            raise TemplateError(
                "The template renders the conversation differently when its texts are marked; no one message is why.",
                "Without marks the turns cannot be found, and a guessed mask would train on the wrong tokens.",
                "Use another template for training: `model.chat_template: FILE` or `chatml`.",
            )

    def _omitted(self) -> list[tuple[int, str]]:
        kept = {(found.mark.message, found.mark.field) for found in self.found}
        marked = {
            (mark.message, mark.field)
            for mark in self.marker.marks
            if self.marked[mark.message] is not self.messages[mark.message]
        }
        return sorted(marked - kept)

    def _render(self, messages: list[Message], *, add_generation_prompt: bool = False) -> str:
        return self.finder.template.render_as_is(
            messages, self.tools, self.kwargs, add_generation_prompt=add_generation_prompt
        )

    def _lost(self, index: int, reason: str) -> TemplateError:
        place = self.conversation.place
        return TemplateError(
            f"The assistant's message {index} cannot be found in what the chat template renders: {reason}.",
            "Which tokens to learn would have to be guessed, so the row is refused.",
            "Change the row or the template (`model.chat_template: FILE` or `chatml`), "
            "or learn everything (`data.loss_on: all`).",
            Place(place.file, place.line, place.row, index),
        )


def _relative(mark: Mark | None, count: int) -> tuple[int, str] | None:
    return (count - mark.message, mark.field) if mark else None


def _without_ids(shape: list[Any]) -> list[Any]:
    """Shapes are alike whatever the ids of calls are; the few templates that print them are caught by the
    comparison."""
    ids = ("tool_call_id", "tool_calls", "id")
    alike = [{key: value for key, value in message.items() if key not in ids} for message in shape]
    calls = [[call["function"] for call in message.get("tool_calls") or ()] for message in shape]
    return [alike, calls]


def _split(expected: str, actual: str) -> tuple[str, str]:
    """``expected`` cut where ``actual`` leaves it, never inside a tag of either."""
    at = _shared(expected, actual)
    return expected[:at], expected[at:]


def _shared(left: str, right: str) -> int:
    """Length of the common beginning of both, drawn back to the front of a tag that only one of them completes."""
    at = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    moved = True
    while moved:
        moved = False
        for text in (left, right):
            window = max(at - 64, 0)
            for match in _TAG.finditer(text, window, at + 66):
                if match.start() < at < match.end():
                    at, moved = match.start(), True
                    break
    return at
