"""Make token ids and labels out of conversations.

The turns are known as spans of characters; the tokenizer's own offsets map them to tokens.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Literal

from tokenizers import Encoding, Tokenizer

from sanetune.data.conversation import Conversation
from sanetune.data.masking.masked_parts import MaskedSpans, masked_spans
from sanetune.data.masking.turn_cache import Rendering
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
        omitted: (message, field) pairs that the template leaves out; tools belong to no message (-1).
        shared_tokens: Number of tokens with both masked characters and characters in the loss; they are in the loss.
    """

    ids: list[int]
    labels: list[int]
    text: str
    place: Place
    ends: list[int] = field(default_factory=list)
    omitted: list[tuple[int, str]] = field(default_factory=list)
    shared_tokens: int = 0

    @property
    def loss_tokens(self) -> int:
        """The number of tokens in the loss."""
        return len(self.labels) - self.labels.count(IGNORE_INDEX)


Span = tuple[int, int]
"""Characters of a rendered conversation: from the first, to the one behind the last."""


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A conversation as text, the spans of it in the loss, those inside them that the row itself masks, and what the
    template leaves out."""

    text: str
    spans: list[Span]
    masked: list[Span] = field(default_factory=list)
    omitted: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Labeller:
    """Makes examples out of conversations.

    Everything in it can be pickled, so that worker processes can each have one.

    Attributes:
        tokenizer: Gives ids and offsets.
        turns: Finds the assistant's turns; None where the tokenizer has no chat template, and then only plain text can
            be labelled.
        loss_on: Which tokens are in the loss: those of all assistant turns, of the last one, or all tokens.
        eos_token: Ends plain text.
    """

    tokenizer: Tokenizer
    turns: TurnFinder | None
    loss_on: LossOn
    eos_token: str | None

    def examples(self, conversations: Sequence[Conversation]) -> list[Example]:
        """Return one example per conversation, in order.

        Raises:
            TemplateError: There is no template, or it refuses a row; the error has the place of the first such row.
        """
        chats = [conversation.text is None for conversation in conversations]
        rendered = [self._render(conversation) for conversation in conversations]
        texts = [one.text for one in rendered]
        encodings = self._encode([text for text, chat in zip(texts, chats, strict=True) if chat], False)
        plain = self._encode([text for text, chat in zip(texts, chats, strict=True) if not chat], True)
        queues = {True: iter(encodings), False: iter(plain)}
        return [
            self._example(conversation, one, next(queues[chat]))
            for conversation, one, chat in zip(conversations, rendered, chats, strict=True)
        ]

    def _encode(self, texts: list[str], add_special_tokens: bool) -> list[Encoding]:
        return self.tokenizer.encode_batch(texts, add_special_tokens=add_special_tokens) if texts else []

    def _render(self, conversation: Conversation) -> _Rendered:
        """The conversation as text, and the spans of it that are in the loss."""
        if conversation.text is not None:
            text = conversation.text
            if self.eos_token and not text.endswith(self.eos_token):
                text += self.eos_token
            return _Rendered(text, [(0, len(text))])
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
            if self.loss_on != "all" or conversation.masked:
                raise
            # If every token is in the loss, nobody needs to know where the turns are.
            text = self.turns.template.render(conversation.messages, conversation.tools, conversation.template_kwargs)
            if self.turns.final_end is not None:
                text = self.turns.final_end.completed(text, conversation.messages)
            return _Rendered(text, [(0, len(text))])
        masked = masked_spans(rendering, conversation)
        omitted = _omitted(rendering, conversation, self.turns.template.source)
        return _Rendered(rendering.text, self._in_loss(rendering, masked), masked.spans, omitted)

    def _in_loss(self, rendering: Rendering, masked: MaskedSpans) -> list[Span]:
        if self.loss_on == "all":
            return [(0, len(rendering.text))]
        chosen = rendering.turns[-1:] if self.loss_on == "last" else rendering.turns
        return [(turn.start, turn.end) for turn in chosen if turn.message not in masked.messages]

    def _example(self, conversation: Conversation, rendered: _Rendered, encoding: Encoding) -> Example:
        text, spans = rendered.text, rendered.spans
        ids, offsets = encoding.ids, encoding.offsets
        borders = _borders_inside_tokens(offsets, spans)
        if borders:
            ids, offsets = self._encode_in_pieces(text, borders, ids, offsets)
        labels, ends = [IGNORE_INDEX] * len(ids), []
        for start, end in spans:
            first, last = _tokens_between(offsets, start, end)
            labels[first:last] = ids[first:last]
            if self.loss_on == "all":  # a template's line break behind the end of the last turn ends nothing
                first, last = _tokens_between(offsets, start, start + len(text[start:end].rstrip()))
            if last > first:
                ends.append(ids[last - 1])
        for start, end in rendered.masked:
            first, last = _tokens_within(offsets, start, end)
            labels[first:last] = [IGNORE_INDEX] * (last - first)
        if labels:
            labels[0] = IGNORE_INDEX
        shared = len(_borders_inside_tokens(offsets, spans))
        return Example(ids, labels, text, conversation.place, ends, rendered.omitted, shared)

    def _encode_in_pieces(
        self, text: str, inner: list[int], ids: list[int], offsets: list[tuple[int, int]]
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids and offsets of tokens that end at every border in ``inner``, as they do at inference, where the prompt is
        tokenized before the answer exists.

        Kept only when the pieces still decode to the same text: a tokenizer that puts a space before every text would
        add one.
        """
        borders = [0, *inner, len(text)]
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


def _omitted(rendering: Rendering, conversation: Conversation, source: str) -> list[tuple[int, str]]:
    """(message, field) pairs that the template leaves out; tools and variables belong to no message (-1).

    Names, numbers of calls and tools have no marks: what is nowhere in the text is left out. A variable is, where the
    ``source`` of the template does not have its name.
    """
    found = list(rendering.omitted)
    names = [str(tool["function"].get("name", "")) for tool in conversation.tools or () if "function" in tool]
    if any(name not in rendering.text for name in names):
        found.append((-1, "tools"))
    found += [(-1, f"variable {key}") for key in conversation.template_kwargs if key not in source]
    for number, message in enumerate(conversation.messages):
        for key in ("name", "tool_call_id"):
            if key in message and message[key] not in rendering.text:
                found.append((number, key))
    return found


def _tokens_between(offsets: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """The range of tokens that hold a character of ``text[start:end]``; offsets rise, and tokens of no width hold
    none."""
    first = bisect_right(offsets, start, key=_right)
    last = bisect_left(offsets, end, key=_left)
    return first, max(first, last)


def _tokens_within(offsets: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """The range of tokens that hold no character outside ``text[start:end]``."""
    first = bisect_left(offsets, start, key=_left)
    last = bisect_right(offsets, end, key=_right)
    return first, max(first, last)


def _borders_inside_tokens(offsets: list[tuple[int, int]], spans: list[tuple[int, int]]) -> list[int]:
    """The borders of spans that fall inside a token.

    One character spread over several tokens (bytes) is no such case.
    """
    inner = []
    for border in sorted({border for span in spans for border in span}):
        at = bisect_right(offsets, border, key=_right)
        if at < len(offsets) and offsets[at][0] < border < offsets[at][1]:
            inner.append(border)
    return inner


def _left(offset: tuple[int, int]) -> int:
    return offset[0]


def _right(offset: tuple[int, int]) -> int:
    return offset[1]
