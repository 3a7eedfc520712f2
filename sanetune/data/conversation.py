"""The one form that every row becomes before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sanetune.errors import Place

ROLES = ("system", "developer", "user", "assistant", "tool")

Message = dict[str, Any]
"""One message in OpenAI's shape, normalised:

``role`` (one of :data:`ROLES`), ``content`` (str; "" when there is none), and only where present
``reasoning_content`` (str), ``tool_calls`` (list of ``{"id"?, "type": "function", "function": {"name": str,
"arguments": dict | str}}``; a dict wherever the arguments parse as a JSON object), ``name``, ``tool_call_id``.  Typed
parts are joined to text when all parts are text.
"""


@dataclass(slots=True)
class Conversation:
    """A row as messages, or as plain ``text`` (then ``messages`` is empty and no template is applied).

    ``place`` says which file, line and row it came from; ``template_kwargs`` are extra variables for the chat
    template (``enable_thinking`` and the like), ``tools`` the tool schemas that the template lists.
    """

    messages: list[Message]
    place: Place
    tools: list[dict[str, Any]] | None = None
    template_kwargs: dict[str, Any] = field(default_factory=dict)
    text: str | None = None
