"""The chat template adds text that is not in the data: a default system prompt, today's date.

## What it does
Renders conversations of every shape, takes out their own texts and the template's tags, and reads what is left over.
Renders them at two dates, and compares.

## Why is this bad?
It is not: the model is trained with that text, and has to be asked with it. Another server, or another day, may leave
it out or write another one.

This is advice, and warns only where that text is far longer than the rows.

## Example
Qwen2.5's template begins conversations without a system message so:

```text
<|im_start|>system
You are Qwen, created by Alibaba Cloud. ...<|im_end|>
```

## Use instead
Write a system message of your own into the rows, and use the same one at inference.

```jsonl
{"messages": [
  {"role": "system", "content": "You answer for the shop."},
  {"role": "user", "content": "..."}]}
```
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.errors import TemplateError
from sanetune.finding import Judgement, Measurement, Witness, passed, warned
from sanetune.text import shorten

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)

LIMITS = {
    "outweighs": Limit(10, "ours: added characters for each of the rows' own; gpt-oss adds 2 for a row of 200"),
}

FEWEST = 4
"""Words in a line from which it says something: a header has one or two."""

DATES = (datetime(2024, 7, 26, 12), datetime(2025, 11, 3, 12))


def measure(template: ChatTemplate | None, conversations: ConversationStore) -> Measurement:
    """Lines that the template adds, and whether it writes today's date."""
    if template is None:
        raise NotApplicableError("there is no chat template")
    from sanetune.checks.template._conversation_shapes import conversation_shapes

    shapes = conversation_shapes(conversations)
    lines: dict[str, int] = {}
    witnesses: list[Witness] = []
    rendered = dated = own = more = 0
    for shape in shapes.found:
        conversation = shape.examples[0]
        texts = _at_two_dates(template, conversation)
        if texts is None:
            continue
        rendered += shape.count
        own += sum(len(str(message.get("content") or "")) for message in conversation.messages) * shape.count
        dated += shape.count if texts[0] != texts[1] else 0
        for line in [] if conversation.tools else _lines(texts[0], conversation):
            lines[line] = lines.get(line, 0) + shape.count
            more += len(line) * shape.count
            if len(witnesses) < 3:
                witnesses.append(Witness(line[:300], conversation.place, "added by the template"))
    if not rendered:
        raise NotApplicableError("no conversation can be rendered")
    numbers: dict[str, Any] = {"conversations": rendered, "lines": lines, "dated": dated, "ratio": more / max(own, 1)}
    return Measurement(numbers, witnesses)


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    parts = []
    if n["lines"]:
        line, count = max(n["lines"].items(), key=lambda item: item[1])
        parts.append(f"in {count:,} of {n['conversations']:,} conversations text of its own, as {shorten(line, 80)!r}")
    if n["dated"]:
        parts.append(f"today's date in {n['dated']:,}: tomorrow's prompts are not those that are trained on")
    if not parts:
        return passed(f"{n['conversations']:,} conversations: the template adds headers and ends, and no text.")
    if n["ratio"] > limits["outweighs"]:
        return warned(f"The template adds {'; and '.join(parts)}: {n['ratio']:.0f} times the rows' own text.")
    return passed(f"The template adds {'; and '.join(parts)}. Keep it the same where the model is used.")


def _at_two_dates(template: ChatTemplate, conversation: Conversation) -> tuple[str, str] | None:
    texts = []
    for date in DATES:
        kwargs: dict[str, Any] = {"strftime_now": date.strftime, **conversation.template_kwargs}
        try:
            texts.append(template.render(conversation.messages, conversation.tools, kwargs))
        except TemplateError:
            return None
    return texts[0], texts[1]


def _lines(text: str, conversation: Conversation) -> list[str]:
    from sanetune.checks.template._rendered import added

    left = [line.strip() for line in added(text, conversation.messages).splitlines()]
    return [line for line in dict.fromkeys(left) if len(line.split()) >= FEWEST]
