"""From conversations to token ids and labels: the turns' characters carried to tokens by the tokenizer's own
offsets."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Literal

from tokenizers import Encoding, Tokenizer

from sanetune.data.conversation import Conversation
from sanetune.data.masking.turn_cache import Turn
from sanetune.data.masking.turns import TurnFinder
from sanetune.errors import Place, TemplateError

IGNORE_INDEX = -100
"""The label that torch's cross entropy leaves out (its ``ignore_index``)."""

LossOn = Literal["assistant", "last", "all"]


@dataclass(slots=True)
class Example:
    """One conversation as it will be trained, before it is truncated.

    Args:
        ids: Token ids.
        labels: ``ids[t]`` where token t is in the loss, else :data:`IGNORE_INDEX`; as long as ``ids``. The first token
            is never in the loss, since nothing comes before it to predict it from.
        text: The rendered conversation.
        place: The row it was read from.
        ends: Id of the last token of each turn in the loss.
        dropped: (message, field) pairs that the template left out.
        shared_tokens: Number of tokens with both masked characters and characters in the loss; they are in the loss.
    """

    ids: list[int]
    labels: list[int]
    text: str
    place: Place
    ends: list[int] = field(default_factory=list)
    dropped: list[tuple[int, str]] = field(default_factory=list)
    shared_tokens: int = 0

    @property
    def learnt(self) -> int:
        return len(self.labels) - self.labels.count(IGNORE_INDEX)


@dataclass(slots=True)
class Labeller:
    """Makes examples.

    Everything in it can be pickled, so that worker processes can each have one. ``turns`` is None where the tokenizer
    has no chat template; then only plain text can be labelled.
    """

    tokenizer: Tokenizer
    turns: TurnFinder | None
    loss_on: LossOn
    eos_token: str | None

    def examples(self, conversations: Sequence[Conversation]) -> list[Example]:
        """One example per conversation, in order; raises :class:`TemplateError` naming the first row that cannot be
        used."""
        chats = [conversation.text is None for conversation in conversations]
        texts, spans, dropped = [], [], []
        for conversation in conversations:
            text, turns, lost = self._render(conversation)
            texts.append(text)
            spans.append(turns)
            dropped.append(lost)
        encodings = self._encode([text for text, chat in zip(texts, chats, strict=True) if chat], False)
        plain = self._encode([text for text, chat in zip(texts, chats, strict=True) if not chat], True)
        queues = {True: iter(encodings), False: iter(plain)}
        return [
            self._example(conversation, text, turns, lost, next(queues[chat]))
            for conversation, text, turns, lost, chat in zip(conversations, texts, spans, dropped, chats, strict=True)
        ]

    def _encode(self, texts: list[str], add_special_tokens: bool) -> list[Encoding]:
        return self.tokenizer.encode_batch(texts, add_special_tokens=add_special_tokens) if texts else []

    def _render(self, conversation: Conversation) -> tuple[str, list[tuple[int, int]], list[tuple[int, str]]]:
        """Text, learnt character spans, and what the template dropped."""
        if conversation.text is not None:
            text = conversation.text
            if self.eos_token and not text.endswith(self.eos_token):
                text += self.eos_token
            return text, [(0, len(text))], []
        if self.turns is None:
            raise TemplateError(
                "The data holds conversations, and the model's tokenizer has no chat template.",
                "Base models come without one; without it nothing says where a turn begins and which token ends it.",
                "Set `model.chat_template: chatml` (adds its two tokens), or give a file: `chat_template: FILE.jinja`.",
                conversation.place,
            )
        try:
            rendering = self.turns.find(conversation)
        except TemplateError:
            if self.loss_on != "all":
                raise
            # Where everything is learnt, nobody needs to know where the turns are.
            text = self.turns.template.render(conversation.messages, conversation.tools, conversation.template_kwargs)
            return text, [(0, len(text))], []
        return rendering.text, self._learnt(rendering.text, rendering.turns), rendering.dropped

    def _learnt(self, text: str, turns: list[Turn]) -> list[tuple[int, int]]:
        if self.loss_on == "all":
            return [(0, len(text))]
        chosen = turns[-1:] if self.loss_on == "last" else turns
        return [(turn.start, turn.end) for turn in chosen]

    def _example(
        self,
        conversation: Conversation,
        text: str,
        spans: list[tuple[int, int]],
        dropped: list[tuple[int, str]],
        encoding: Encoding,
    ) -> Example:
        ids, offsets = encoding.ids, encoding.offsets
        cuts = _cuts_inside_tokens(offsets, spans)
        if cuts:
            ids, offsets = self._encode_in_pieces(text, cuts, ids, offsets)
        labels, ends = [IGNORE_INDEX] * len(ids), []
        for start, end in spans:
            first, last = _tokens_between(offsets, start, end)
            labels[first:last] = ids[first:last]
            if self.loss_on == "all":  # a template's line break behind the end of the last turn ends nothing
                first, last = _tokens_between(offsets, start, start + len(text[start:end].rstrip()))
            if last > first:
                ends.append(ids[last - 1])
        if labels:
            labels[0] = IGNORE_INDEX
        shared = len(_cuts_inside_tokens(offsets, spans))
        return Example(ids, labels, text, conversation.place, ends, dropped, shared)

    def _encode_in_pieces(
        self, text: str, cuts: list[int], ids: list[int], offsets: list[tuple[int, int]]
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Tokens that end at every cut, as they do at inference, where the prompt is tokenized before the answer
        exists.

        Kept only when the pieces still decode to the same text: a tokenizer that puts a space before every text would
        add one.
        """
        borders = [0, *cuts, len(text)]
        pieces = [text[start:end] for start, end in pairwise(borders)]
        encodings = self._encode(pieces, False)
        joined = [token for encoding in encodings for token in encoding.ids]
        if self.tokenizer.decode(joined, skip_special_tokens=False) != self.tokenizer.decode(
            ids, skip_special_tokens=False
        ):
            return ids, offsets
        starts = accumulate(map(len, pieces[:-1]), initial=0)
        moved = [
            (start + left, start + right)
            for start, encoding in zip(starts, encodings, strict=True)
            for left, right in encoding.offsets
        ]
        return joined, moved


def _tokens_between(offsets: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """The range of tokens that hold a character of ``text[start:end]``; offsets rise, and tokens of no width hold
    none."""
    first = bisect_right(offsets, start, key=_right)
    last = bisect_left(offsets, end, key=_left)
    return first, max(first, last)


def _cuts_inside_tokens(offsets: list[tuple[int, int]], spans: list[tuple[int, int]]) -> list[int]:
    """The borders of spans that fall inside a token.

    One character spread over several tokens (bytes) is no such case.
    """
    cuts = []
    for border in sorted({border for span in spans for border in span}):
        at = bisect_right(offsets, border, key=_right)
        if at < len(offsets) and offsets[at][0] < border < offsets[at][1]:
            cuts.append(border)
    return cuts


def _left(offset: tuple[int, int]) -> int:
    return offset[0]


def _right(offset: tuple[int, int]) -> int:
    return offset[1]
