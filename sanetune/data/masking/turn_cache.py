"""Remember what a chat template puts around the texts of a conversation, by the conversation's shape.

Finding turns takes several renderings. Most conversations of a data set differ only in their texts, so what was found
once can be *proved* for the next one with a single rendering: put its texts into the remembered frame, and compare with
what the template renders. If they are equal, every text is where the frame says; if not, the turns are searched for
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from sanetune.data.conversation import Message
from sanetune.data.masking.markers import Found, Marker


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model writes as one message.

    Attributes:
        message: The number of the message.
        start: Its first character in the rendered text.
        end: The character behind its last one.
        closing: Its part after the last character of the message: the end token, and what the template puts before
            it.
    """

    message: int
    start: int
    end: int
    closing: str


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered conversation.

    Attributes:
        text: What the template renders.
        turns: The assistant's turns in order. A message without text has none.
        omitted: (message, field) pairs that the template leaves out.
    """

    text: str
    turns: list[Turn]
    omitted: list[tuple[int, str]]


class Texts(Marker):
    """The texts of a conversation, apart from everything else in it.

    Attributes:
        cores: The texts without outer white space, in the order in which a :class:`Marker` marks them.
        shape: The messages with a letter in place of each text: equal shapes have equal frames.
    """

    def __init__(self, messages: list[Message]) -> None:
        super().__init__()
        self.cores: list[str] = []
        self.shape: list[Message] = [self.mark(message, index) for index, message in enumerate(messages)]

    def _around(self, text: str, index: int, name: str) -> str:
        core = text.strip()
        if not core:
            return text
        self.cores.append(core)
        lead = len(text) - len(text.lstrip())
        # Templates look for a closing </think> inside the text; what follows depends on it.
        kind = "t" if "</think>" in core else "x"
        return text[:lead] + kind + text[lead + len(core) :]


@dataclass(frozen=True, slots=True)
class Frame:
    """A rendered text as ``literals[0] text[slots[0]] literals[1] text[slots[1]] … literals[-1]``.

    Attributes:
        literals: What the template writes before, between and behind the texts.
        slots: The number of the text behind each literal but the last.
        turns: (message, start, end, closing) of each turn; start and end are (number of a literal, characters into
            it).
        omitted: (message, field) pairs that the template leaves out.
    """

    literals: list[str]
    slots: list[int]
    turns: list[tuple[int, tuple[int, int], tuple[int, int], str]]
    omitted: list[tuple[int, str]]

    @classmethod
    def of(cls, rendering: Rendering, found: list[Found], texts: Texts) -> Frame | None:
        """Return the frame of a rendering, from the marks found in it; None if it does not have every text as it
        is."""
        text, literals, slots, end = rendering.text, [], [], 0
        opens, closes = found[::2], found[1::2]
        if len(opens) != len(closes):
            return None
        starts = []
        for opening, closing in zip(opens, closes, strict=True):
            number = opening.number // 2
            if closing.number != opening.number + 1 or text[opening.at : closing.at] != texts.cores[number]:
                return None
            literals.append(text[end : opening.at])
            starts.append(end)
            slots.append(number)
            end = closing.at
        literals.append(text[end:])
        starts.append(end)
        turns = []
        for turn in rendering.turns:
            borders = [_inside(starts, literals, at) for at in (turn.start, turn.end)]
            if None in borders:
                return None
            turns.append((turn.message, borders[0], borders[1], turn.closing))
        return cls(literals, slots, turns, rendering.omitted)  # type: ignore[arg-type]

    def filled(self, cores: list[str], text: str) -> Rendering | None:
        """Return the rendering of the texts ``cores`` in this frame, if that is what ``text`` is."""
        pieces = [self.literals[0]]
        for slot, literal in zip(self.slots, self.literals[1:], strict=True):
            pieces += (cores[slot], literal)
        if "".join(pieces) != text:
            return None
        starts = list(accumulate(map(len, pieces), initial=0))[::2]
        turns = [
            Turn(message, starts[first] + into, starts[last] + beyond, closing)
            for message, (first, into), (last, beyond), closing in self.turns
        ]
        return Rendering(text, turns, self.omitted)


def _inside(starts: list[int], literals: list[str], at: int) -> tuple[int, int] | None:
    """Which literal contains position ``at`` (its two ends included), and how far into it."""
    for number, (start, literal) in enumerate(zip(starts, literals, strict=True)):
        if start <= at <= start + len(literal):
            return number, at - start
    return None
