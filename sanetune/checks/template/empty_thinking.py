"""The chat template writes an empty block of thinking that the model learns, since the data has no reasoning.

## What it does
Renders conversations of every shape, seeks empty blocks of thinking (`<think></think>` and the like), and compares with
the prompt of inference: a block that the prompt does not give is the model's to write, and in the loss.

## Why is this bad?
The model learns to think nothing, whatever it is asked: a model that reasons stops to do so.

## Example
Qwen3's template on rows without reasoning:

```text
<|im_start|>assistant
<think>

</think>

It left on Monday.<|im_end|>
```

## Use instead
Add reasoning to the rows, switch thinking off in the template (so that the prompt has the empty block), or use a
template without thinking.

```jsonl
{"messages": [...], "chat_template_kwargs": {"enable_thinking": false}}
```

## Known problems
A model that is meant to answer without thinking from now on may well be trained so: set the severity to `off`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.errors import TemplateError
from sanetune.finding import Judgement, Measurement, Witness, passed, warned

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)

LIMITS = {
    "reasoned": Limit(0.5, "ours: where half of the conversations reason, the others are answers without a thought"),
}

_EMPTY = re.compile(r"<([a-z_:]{0,20}think[a-z_]{0,10})>\s*</\1>\s*", re.IGNORECASE)


def measure(template: ChatTemplate | None, conversations: ConversationStore) -> Measurement:
    """Conversations with an empty block of thinking in the loss, and those that have reasoning."""
    if template is None:
        raise NotApplicableError("there is no chat template")
    from sanetune.checks.template._conversation_shapes import conversation_shapes

    chats = empty = reasoned = 0
    witnesses: list[Witness] = []
    for shape in conversation_shapes(conversations).found:
        conversation = shape.examples[0]
        chats += shape.count
        reasoned += shape.count if any(_reasons(message) for message in conversation.messages) else 0
        block = _block(template, conversation)
        if block:
            empty += shape.count
            witnesses.append(Witness(block, conversation.place, "written by the model after the prompt of inference"))
    if not chats:
        raise NotApplicableError("the rows are plain text, which no template renders")
    numbers: dict[str, Any] = {"conversations": chats, "empty": empty, "reasoned": reasoned}
    return Measurement(numbers, witnesses[:5])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    of = f"{n['empty']:,} of {n['conversations']:,} conversations"
    if not n["empty"]:
        return passed(f"{n['conversations']:,} conversations: no empty block of thinking is in the loss.")
    if n["reasoned"] >= limits["reasoned"] * n["conversations"]:
        return passed(f"In {of} an empty block of thinking is in the loss; {n['reasoned']:,} have reasoning.")
    return warned(f"In {of} an empty block of thinking is in the loss, and {n['reasoned']:,} have reasoning.")


def _block(template: ChatTemplate, conversation: Conversation) -> str:
    """The last reply from its empty block on; empty where it has none, or the prompt gives it."""
    messages = conversation.messages
    if messages[-1].get("role") != "assistant" or _reasons(messages[-1]):
        return ""
    tools, kwargs = conversation.tools, conversation.template_kwargs
    try:
        text = template.render(messages, tools, kwargs)
        prompt = template.render(messages[:-1], tools, kwargs, add_generation_prompt=True)
    except TemplateError:
        return ""
    shared = next((at for at, (a, b) in enumerate(zip(text, prompt, strict=False)) if a != b), len(prompt))
    found = _EMPTY.search(text, max(shared - 40, 0))
    if found is None or found.end() <= shared or len(prompt) - shared > 200:
        return ""
    return text[found.start() : found.start() + 200]


def _reasons(message: dict[str, Any]) -> bool:
    return bool(message.get("reasoning_content")) or "</think>" in str(message.get("content") or "")
