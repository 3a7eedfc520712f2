"""Say what a conversation is: what every row becomes before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sanetune.errors import Place

ROLES = ("system", "developer", "user", "assistant", "tool")

Message = dict[str, Any]
"""One message in OpenAI's shape, normalised:

``role`` (one of :data:`ROLES`), ``content`` (str; "" when there is none), and only where present
``reasoning_content`` (str), ``tool_calls`` (list of ``{"id"?, "type": "function", "function": {"name": str,
"arguments": dict | str}}``; a dict wherever the arguments parse as a JSON object), ``name``, ``tool_call_id``. Typed
parts are joined to text when all parts are text.

    {"role": "user", "content": "What is the weather in Oslo?"}
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function":
        {"name": "weather", "arguments": {"city": "Oslo"}}}]}
"""


class MaskedPart(NamedTuple):
    """What a row itself takes out of the loss.

    Attributes:
        message: The number of an assistant's message.
        start: The first character of its content that is masked.
        end: The character behind the last one; None: the whole turn is masked, with reasoning, calls and end.
    """

    message: int
    start: int = 0
    end: int | None = None


@dataclass(slots=True)
class Conversation:
    """A row as messages, or as plain text.

    Attributes:
        messages: Empty for plain text.
        place: The file, line and row it came from.
        tools: Tool schemas that the template lists.
        template_kwargs: More variables for the chat template (``enable_thinking`` and the like).
        text: Plain text, to which no template is applied.
        masked: Turns, and parts of them, that the row says are not to be learned.
    """

    messages: list[Message]
    place: Place
    tools: list[dict[str, Any]] | None = None
    template_kwargs: dict[str, Any] = field(default_factory=dict)
    text: str | None = None
    masked: list[MaskedPart] = field(default_factory=list)
