"""The chat template leaves out parts of the conversations.

## What it does
Looks for every text of every message (content, reasoning, tool calls) in the rendered text, and counts what is
missing by role and kind. Renders conversations with and without their tools: where nothing changes and the system text
does not name them either, the tools are left out.

## Why is this bad?
What is left out is not trained on, and the model answers to something other than the row.

Examples are a tool result without its call and a reply without its system prompt.

## Example
A template without tool calls, on data with tools:

```jinja
{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}
```

## Use instead
Use a template that renders these parts (`model.chat_template: FILE`), or move the texts to where the template takes
them.

```yaml
model:
  chat_template: with-tools.jinja
```

## Known problems
Templates of reasoning models leave out the reasoning of earlier turns on purpose, as inference does.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.checks.template._tools_rendered import ToolsLeftOut, tools_left_out
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore
    from sanetune.evidence.roles_from_text import DroppedTexts

FIX = "none"
DEPENDS_ON = ("rows",)
VERSION = 2

FIELDS = {"content": "text", "reasoning_content": "reasoning", "tool_calls": "tool call"}
"""Fields of a message that hold what is said, and what they are called here."""


def measure(
    dropped_texts: DroppedTexts, conversations: ConversationStore, template: ChatTemplate | None
) -> Measurement:
    messages: Counter[tuple[str, str]] = Counter()
    chats = 0
    for conversation in chain.from_iterable(conversations.sides):
        chats += conversation.text is None and bool(conversation.messages)
        for message in conversation.messages:
            for name in FIELDS:
                if _there(message.get(name)):
                    messages[str(message.get("role")), name] += 1
    if not chats:
        raise NotApplicableError("the rows are plain text, which no template renders")
    dropped = [
        {"role": role, "field": name, "lost": count, "messages": messages[role, name]}
        for (role, name), count in dropped_texts.counts.most_common()
        if count
    ]
    tools = ToolsLeftOut() if template is None else tools_left_out(template, conversations)
    numbers = {"conversations": chats, "lost": dropped, "with_tools": tools.declared, "tools_lost": tools.left_out}
    return Measurement(numbers, [*dropped_texts.witnesses[:5], *tools.witnesses][:5])


def judge(m: Measurement, limits: Limits) -> Judgement:
    dropped: list[dict[str, Any]] = m.numbers["lost"]
    chats = m.numbers["conversations"]
    unseen, declared = m.numbers["tools_lost"], m.numbers["with_tools"]
    tools = f"the tools of {unseen:,} of {declared:,} conversations that declare some" if unseen else ""
    if not dropped and tools:
        return warned(f"The template leaves out {tools}.", "Use a template that writes the tools.")
    if not dropped:
        return passed(f"{chats:,} conversations: every text is in the rendered text.")
    parts = [_words(one) for one in dropped] + [tools] * bool(tools)
    listed = "; ".join(parts[:3]) + (f"; and {len(parts) - 3} more" if len(parts) > 3 else "")
    message = f"The template leaves out {listed}."
    if any(not _forgotten(one) for one in dropped):
        return failed(message)
    return warned(
        f"{message} The reasoning of other turns is kept.",
        "Templates of reasoning models do so with earlier turns, at inference too. To train that reasoning as well, "
        "make one row of each turn that has some.",
    )


def _forgotten(one: dict[str, Any]) -> bool:
    """Reasoning of which some is kept: what is left out are earlier turns."""
    return bool(one["field"] == "reasoning_content" and one["lost"] < one["messages"])


def _words(one: dict[str, Any]) -> str:
    field = FIELDS.get(one["field"], one["field"])
    of = f" of {one['messages']:,}" if one["messages"] >= one["lost"] else ""
    return f"the {field} of {one['lost']:,}{of} {one['role']} messages"


def _there(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else bool(value)
