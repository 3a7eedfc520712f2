"""Which conversations declare tools that the chat template does not write into their text."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.checks.template._conversation_shapes import conversation_shapes
from sanetune.errors import TemplateError
from sanetune.finding import Witness

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore


@dataclass(slots=True)
class ToolsLeftOut:
    """Conversations of the shapes whose rendered text is the same with and without their tools.

    Attributes:
        declared: Conversations with tools.
        left_out: Those whose text has none of them.
        witnesses: One of each such shape.
    """

    declared: int = 0
    left_out: int = 0
    witnesses: list[Witness] = field(default_factory=list)


def tools_left_out(template: ChatTemplate, conversations: ConversationStore) -> ToolsLeftOut:
    """Render one conversation of every shape that has tools, with them and without."""
    found = ToolsLeftOut()
    for shape in conversation_shapes(conversations).found:
        conversation = shape.examples[0]
        if not conversation.tools:
            continue
        found.declared += shape.count
        if not _written(template, conversation):
            found.left_out += shape.count
            tools = json.dumps(conversation.tools, ensure_ascii=False)
            found.witnesses.append(Witness(tools, conversation.place, "tools that are not in the rendered text"))
    return found


def _written(template: ChatTemplate, conversation: Conversation) -> bool:
    """Whether the text changes with the tools, or names them already, as data for one model do in its system text; true
    where it cannot be rendered, which other checks say."""
    messages, variables = conversation.messages, conversation.template_kwargs
    try:
        text = template.render(messages, conversation.tools, variables)
        if text != template.render(messages, None, variables):
            return True
    except TemplateError:
        return True
    system = "".join(one["content"] for one in messages if one["role"] in ("system", "developer"))
    names = [tool.get("function", tool).get("name") for tool in conversation.tools or ()]
    return all(isinstance(name, str) and name in system and name in text for name in names)
