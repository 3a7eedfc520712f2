"""Find in a rendered conversation what the row itself takes out of the loss."""

from __future__ import annotations

from dataclasses import dataclass, field

from sanetune.data.conversation import Conversation
from sanetune.data.masking.turn_cache import Rendering, Turn
from sanetune.errors import Place, TemplateError


@dataclass(frozen=True, slots=True)
class MaskedSpans:
    """What a row masks.

    Attributes:
        messages: The numbers of messages that are masked as a whole.
        spans: All masked characters (first, behind the last), those of whole turns among them.
    """

    messages: frozenset[int] = frozenset()
    spans: list[tuple[int, int]] = field(default_factory=list)


NOTHING = MaskedSpans()


def masked_spans(rendering: Rendering, conversation: Conversation) -> MaskedSpans:
    """Return where the masked parts of ``conversation`` are in its rendering.

    Raises:
        TemplateError: A message of which only a part is masked is not in the text as it is.
    """
    if not conversation.masked:
        return NOTHING
    turns = {turn.message: turn for turn in rendering.turns}
    whole = frozenset(part.message for part in conversation.masked if part.end is None)
    spans = [(turn.start, turn.end) for turn in rendering.turns if turn.message in whole]
    for part in conversation.masked:
        if part.end is not None and part.message in turns:
            start = _content_start(rendering.text, turns[part.message], conversation)
            end = min(start + part.end, turns[part.message].end)
            spans.append((max(start + part.start, turns[part.message].start), end))
    return MaskedSpans(whole, spans)


def _content_start(text: str, turn: Turn, conversation: Conversation) -> int:
    """Where the content of a turn's message begins, counted from its first character even where that is trimmed."""
    message = conversation.messages[turn.message]
    core = message["content"].strip()
    # Reasoning is before the content and may quote it; calls are behind it, and may as well.
    after = len(message.get("reasoning_content", "").strip())
    at = text.find(core, turn.start + after, turn.end)
    if not message.get("tool_calls"):
        at = max(at, text.rfind(core, turn.start, turn.end))
    if at < 0:
        place = conversation.place
        raise TemplateError(
            "The template changes a message of which only a part is to be learned.",
            "Where that part is in the text would have to be guessed.",
            "Mark the whole message instead, or use another template.",
            Place(place.file, place.line, place.row, turn.message),
        )
    return at - (len(message["content"]) - len(message["content"].lstrip()))
