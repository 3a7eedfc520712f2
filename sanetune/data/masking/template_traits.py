"""What searches for turns have to know about a chat template: its headers, its ends, and what it wrote before.

Headers and ends are read off a small conversation of four messages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from sanetune.data.masking.markers import Marker
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import TemplateError

_TAG = re.compile(r"<[^<>\s]{1,64}>|\[[^\[\]\s]{1,64}\]")
"""What a template's own tokens are like; a border between header, turn and end never falls inside one."""

_THINKING = re.compile(r"\s*<[^<>]{0,32}(?:think|thought|reason)[^<>]{0,32}>.*", re.DOTALL)
"""What a generation prompt may end with, and a turn may lack."""


@dataclass(frozen=True, slots=True)
class Tail:
    """What a rendering has after its last mark.

    Attributes:
        text: The characters behind that mark.
        mark: Which mark that is: (message counted back from the end, field).
    """

    text: str
    mark: tuple[int, str] | None


TailKey = tuple[bool, bytes, bool, bool]
"""What a tail is made of: whether from the first message on, the shape of the messages, tools, generation prompt."""


@dataclass
class TemplateTraits:
    """A template, and what searches have found out about it.

    Attributes:
        template: The template.
        stops: Texts of the model's own stop tokens.
        tails: Remembered tails; None for messages that cannot be rendered.
    """

    template: ChatTemplate
    stops: tuple[str, ...]
    tails: dict[TailKey, Tail | None] = field(default_factory=dict)

    @cached_property
    def generation_prompt(self) -> str:
        """What inference appends after a user's message (may be empty)."""
        try:
            without, with_prompt = (self._marked(1, add_generation_prompt=flag)[-1] for flag in (False, True))
        except TemplateError:  # a template that cannot render a lone user turn says nothing here
            return ""
        return with_prompt[shared_length(without, with_prompt) :]

    @cached_property
    def headers(self) -> tuple[str, ...]:
        """What may precede a reply, longest first: the generation prompt, with and without a thinking tag."""
        prompt = self.generation_prompt
        return tuple(dict.fromkeys(text for text in (prompt, _THINKING.sub("", prompt)) if text.strip()))

    @cached_property
    def end(self) -> str:
        """The template's own end of a reply: the tag directly behind it. Empty where it writes none."""
        begin, after, tail = self._pieces
        tag, last = _first_tag(after), _first_tag(tail)
        if tag and (tag == last or tag in self.stops or tag not in begin):
            return tag
        return "" if tag else last

    @cached_property
    def unasked(self) -> bool:
        """Whether the template writes a generation prompt without being asked for it."""
        try:
            asked = self._marked(1)[-1]
            lead, tail = self._marked(2)[1:]
        except TemplateError:
            return False
        return (
            not self.generation_prompt and lead == asked and bool(_first_tag(tail)) and tail.endswith(_last_tag(lead))
        )

    def names_assistant(self, shared: str) -> bool:
        """Whether the part of a generation prompt that a turn has in common with it says whose turn it is: a user's
        turn does not have it."""
        begin, after, _ = self._pieces
        core = shared.strip()
        return bool(core) and core not in begin and core not in after

    def to_stop(self, after: str) -> str:
        """``after`` up to the first of the model's stop tokens, inclusive; empty where there is none."""
        ends = [at + len(stop) for stop in self.stops if (at := after.find(stop)) >= 0]
        return after[: min(ends)] if ends else ""

    def ended(self, closing: str, after: str) -> str:
        """A turn's ``closing``, which begins ``after``, up to its first stop token; nothing behind that is in the loss.

        Where it has none, the one that follows is taken in: some templates (GLM) have no end token, and the header of
        the next turn is the model's stop token.
        """
        if cut := self.to_stop(closing):
            return cut
        if self.end and (at := closing.find(self.end)) >= 0:
            return closing[: at + len(self.end)] if self.unasked else closing
        rest = after[len(closing) :]
        for stop in (self.end, *self.stops):
            if stop and rest.lstrip().startswith(stop):
                return closing + rest[: rest.index(stop) + len(stop)]
        return closing

    @cached_property
    def _pieces(self) -> tuple[str, str, str]:
        """What precedes a question, is between a reply and the next question, and behind the last reply."""
        try:
            begin, _, after, _, tail = self._marked(4)
        except TemplateError:
            return "", "", ""
        return begin, after, tail

    def _marked(self, count: int, *, add_generation_prompt: bool = False) -> list[str]:
        """What the template writes before, between and behind ``count`` texts of user and assistant.

        Raises:
            TemplateError: It does not render them in order.
        """
        marker = Marker()
        messages = [{"role": ("user", "assistant")[index % 2], "content": f"probe {index}"} for index in range(count)]
        marked = [marker.mark(one, index) for index, one in enumerate(self.template.adapted(messages))]
        text, found = marker.read(self.template.render_as_is(marked, add_generation_prompt=add_generation_prompt))
        if [one.number for one in found] != list(range(2 * count)):
            raise TemplateError("The template does not render the texts in order.")
        places = [0, *(one.at for one in found), len(text)]
        return [text[start:stop] for start, stop in zip(places[::2], places[1::2], strict=True)]


def header_end(between: str, header: str) -> int | None:
    """Where the last ``header`` in ``between`` ends, whatever white space is in it; None where there is none.

    >>> header_end("? USER\\n  BOT: <call>", "\\nBOT: ")
    14
    """
    words = r"\s*".join(map(re.escape, header.split()))
    ends = [found.end() for found in re.finditer(words, between)]
    if not ends:
        return None
    end, space = ends[-1], header[len(header.rstrip()) :]
    if between.startswith(space, end):
        return end + len(space)
    return len(between) - len(between[end:].lstrip()) if space else end


def shared_length(left: str, right: str) -> int:
    """The length of the common beginning of both, without a tag that only one of them completes."""
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


def _first_tag(text: str) -> str:
    """The tag that comes first, with nothing but white space before it."""
    found = _TAG.match(text.lstrip())
    return found[0] if found else ""


def _last_tag(text: str) -> str:
    return max((found[0] for found in _TAG.finditer(text)), key=text.rfind, default="\0")
