"""Search for the turns of one conversation in what a chat template renders.

See :mod:`sanetune.data.masking` for an example. The renderings of the messages before a turn and up to it are compared
from the nearest mark on, so a template that rewrites history (dropping the reasoning of earlier turns, say) is no
obstacle. If they do not fit, that is an error with the row and the message: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import orjson

from sanetune.data.conversation import Conversation, Message
from sanetune.data.masking.markers import RESERVED, Found, Mark, Marker
from sanetune.data.masking.template_traits import Tail, TemplateTraits, header_end, shared_length
from sanetune.data.masking.turn_cache import Rendering, Texts, Turn
from sanetune.data.template.chat_template import CHATML
from sanetune.data.template.final_end import FinalEnd
from sanetune.errors import Place, TemplateError
from sanetune.text import listing

PARTS = {"content": "its text", "reasoning": "its reasoning", "tool call": "its tool calls"}
"""What marks are around, in words."""


class TurnSearch:
    """The search for the turns of one conversation.

    Attributes:
        found: The marks in the rendered text, in its order.
    """

    def __init__(
        self,
        known: TemplateTraits,
        conversation: Conversation,
        messages: list[Message],
        text: str,
        final_end: FinalEnd | None = None,
    ) -> None:
        """``messages`` are those of ``conversation`` as the template takes them, ``text`` is what they render to,
        completed by ``final_end``."""
        self.known, self.conversation, self.final_end = known, conversation, final_end
        self.tools, self.kwargs = conversation.tools, conversation.template_kwargs
        self.messages, self.text = messages, text
        if RESERVED.search(self.text):
            raise TemplateError(
                "The text holds Unicode noncharacters (U+FDD0 to U+FDDF).",
                "They are reserved for programs' own use and mark the turns here; no valid text has them.",
                "Remove them from the row.",
            )
        self.marker = Marker()
        self.marked = [self.marker.mark(message, index) for index, message in enumerate(self.messages)]
        plain, self.found = self.marker.read(self._whole(self.marked))
        if plain != self.text:
            self._unmark_what_changes_the_text()

    def rendering(self) -> Rendering:
        """Return the text with its turns.

        Raises:
            TemplateError: A turn cannot be found for certain.
        """
        turns = [
            turn
            for index, message in enumerate(self.messages)
            if message.get("role") == "assistant" and (turn := self._turn(index)) is not None
        ]
        for before, after in pairwise(turns):
            if before.end > after.start:
                raise self._not_found(after.message, "its turn overlaps that of an earlier message")
        return Rendering(self.text, turns, self._omitted())

    def _turn(self, index: int) -> Turn | None:
        numbers = [number for number, found in enumerate(self.found) if found.mark.message == index]
        if not numbers:
            if not (parts := {mark.field for mark in self.marker.marks if mark.message == index}):
                return None  # an empty reply: it has no text that could be in the loss
            missing = listing(PARTS[name] for name in PARTS if name in parts)
            raise self._not_found(index, f"it does not render {missing}", text_alone=parts == {"content"})
        first, last = numbers[0], numbers[-1]
        if len(numbers) != last - first + 1:
            raise self._not_found(index, "the template puts another message's text inside it")
        start = self._start(index, self.found[first - 1] if first else None, self.found[first], self.found[last].at)
        written = self.found[last].at
        following = self.found[last + 1].at if last + 1 < len(self.found) else None
        closing = self._closing(index, self.text[written:following], is_last=following is None)
        return Turn(index, start, written + len(closing), closing)

    def _start(self, index: int, anchor: Found | None, first: Found, limit: int) -> int:
        """Where the header ends: the prompt of inference for this turn is compared with the text from the last mark
        before it on. Where they differ, the header is looked for in front of the turn's ``first`` mark."""
        at = anchor.at if anchor else 0
        here = self.text[at:limit]
        mark = _relative(anchor.mark if anchor else None, index)
        prompt = self._tail(index, True, lambda tail: tail.mark == mark and here.startswith(tail.text))
        if prompt is None or prompt.mark != mark:
            return self._start_by_header(at, first, 0)
        if self.text[at : first.at].startswith(prompt.text):
            return self._past_header(at + len(prompt.text), first.at)
        without = self._tail(index, False)
        beginning = shared_length(without.text, prompt.text) if without else 0
        shared = prompt.text[: shared_length(prompt.text, self.text[at : first.at])]
        # A turn may lack the end of the generation prompt (an opened <think>, say), but not its beginning: the role.
        if not self.known.names_assistant(shared[beginning:]):
            return self._start_by_header(at, first, min(len(shared), beginning))
        opened = re.search(r"<(\w+)>\s*$", shared)
        if opened and f"</{opened[1]}>" in here:  # the turn closes that tag itself, so it has to open it as well
            shared = shared[: opened.start()]
        return at + len(shared)

    def _past_header(self, start: int, limit: int) -> int:
        """Some templates give no prompt after a tool's answer and still write the header: it is no part of the
        turn."""
        header = self.known.generation_prompt
        if header and self.text.startswith(header, start) and start + len(header) <= limit:
            return start + len(header)
        return start

    def _start_by_header(self, at: int, first: Found, beginning: int) -> int:
        """The end of the header that the template writes before replies, in front of the turn's ``first`` mark.

        Without one the turn begins with its text; a tool call begins where what all prompts share ends, since what is
        written before its name is the model's as well.
        """
        between = self.text[at : first.at]
        for header in self.known.headers:
            end = header_end(between, header)
            if end is not None:
                return at + end
        return at + beginning if first.mark.field == "tool call" else first.at

    def _closing(self, index: int, after: str, is_last: bool) -> str:
        """What ends the turn, out of the text ``after`` its last character; trailing white space is not part of
        it."""
        plain = Tail(after, None) if is_last else self._tail(index + 1, False, lambda tail: after.startswith(tail.text))
        prompted = self._tail(index + 1, True)
        prompt = self.known.generation_prompt
        bare = prompted.text.removesuffix(prompt) if prompted and prompted.text.endswith(prompt) else ""
        if prompt and bare.strip() and after.startswith(bare):
            closing = bare
        elif plain and after.startswith(plain.text):
            closing = plain.text
        else:
            closing = self.known.to_stop(after) or (plain.text[: shared_length(plain.text, after)] if plain else "")
        return self.known.ended(closing.rstrip(), after)

    def _tail(self, count: int, prompted: bool, fits: Callable[[Tail], bool] | None = None) -> Tail | None:
        """The tail of the first ``count`` messages, remembered by what it is made of (:meth:`_since`).

        It is made again if the remembered one does not fit.
        """
        since = self._since(count)
        shape = orjson.dumps((_without_ids(Texts(self.messages[since:count]).shape), self.kwargs))
        key = (since == 0, shape, bool(self.tools), prompted)
        tails = self.known.tails
        if key not in tails or (fits and (tail := tails[key]) and not fits(tail)):
            try:
                text = self._render(self.marked[:count], add_generation_prompt=prompted)
            except TemplateError:
                tails[key] = None
            else:
                plain, found = self.marker.read(text)
                at, mark = (found[-1].at, found[-1].mark) if found else (0, None)
                tails[key] = Tail(plain[at:], _relative(mark, count))
        return tails[key]

    def _since(self, count: int) -> int:
        """The message from which on the tail of the first ``count`` is made: the last one that has a mark, at least the
        last two.

        Otherwise exchanges without text would be taken for fewer of their kind.
        """
        marked = max((found.mark.message for found in self.found if found.mark.message < count), default=0)
        return max(min(marked, count - 2), 0)

    def _unmark_what_changes_the_text(self) -> None:
        """Some templates depend on how a message begins or ends: it stays unmarked, unless it is the assistant's."""
        for index, message in enumerate(self.messages):
            alone = [*self.messages[:index], self.marked[index], *self.messages[index + 1 :]]
            if self.marker.read(self._whole(alone))[0] != self.text:
                if message.get("role") == "assistant":
                    raise self._not_found(
                        index, "the template changes its text depending on how it begins, ends or how long it is"
                    )
                self.marked[index] = message
        plain, self.found = self.marker.read(self._whole(self.marked))
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

    def _whole(self, messages: list[Message]) -> str:
        """The whole conversation, with the end of its last reply."""
        text = self._render(messages)
        return self.final_end.completed(text, messages) if self.final_end is not None else text

    def _render(self, messages: list[Message], *, add_generation_prompt: bool = False) -> str:
        return self.known.template.render_as_is(
            messages, self.tools, self.kwargs, add_generation_prompt=add_generation_prompt
        )

    def _not_found(self, index: int, reason: str, *, text_alone: bool = True) -> TemplateError:
        """The error of a turn that cannot be found; chatml is another template only for who has text alone."""
        place = self.conversation.place
        or_chatml = " or `chatml`" if text_alone and self.known.template.source != CHATML else ""
        return TemplateError(
            f"The assistant's message {index} cannot be found in what the chat template renders: {reason}.",
            "Which tokens are in the loss would have to be guessed, so the row is refused.",
            f"Change the row or the template (`model.chat_template: FILE`{or_chatml}), "
            "or train on every token (`data.loss_on: all`).",
            Place(place.file, place.line, place.row, index),
        )


def _relative(mark: Mark | None, count: int) -> tuple[int, str] | None:
    return (count - mark.message, mark.field) if mark else None


def _without_ids(shape: list[Message]) -> list[object]:
    """Shapes are alike whatever the ids of calls are; the few templates that print them are caught by the
    comparison."""
    ids = ("tool_call_id", "tool_calls", "id")
    alike = [{key: value for key, value in message.items() if key not in ids} for message in shape]
    calls = [[call["function"] for call in message.get("tool_calls") or ()] for message in shape]
    return [alike, calls]
