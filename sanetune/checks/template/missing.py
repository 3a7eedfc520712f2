"""The data holds conversations, and the tokenizer has no chat template.

Measures: how many rows are conversations with messages, and whether the model's tokenizer brings a chat template or
`model.chat_template` gives one.

Matters: without a template nothing says where a turn begins and which token ends it. No conversation can be trained,
and the tuned model could not be asked anything in that form.

Cause: base models often come without a template; a tokenizer copied without its `chat_template.jinja` has lost it.

Fix: set `model.chat_template: chatml` (it adds its two tokens), or give a file of your own.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, passed

if TYPE_CHECKING:
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore


def measure(talks: ConversationStore, tokenizer: Any, template: ChatTemplate | None) -> Measurement:
    chats = 0
    witnesses: list[Witness] = []
    for conversation in chain.from_iterable(talks.sides):
        if conversation.text is None and conversation.messages:
            chats += 1
            if len(witnesses) < 3:
                first = str(conversation.messages[0].get("content") or "")
                witnesses.append(Witness(first[:200], conversation.place, "a row with messages"))
    if not chats:
        raise NotApplicableError("the rows are plain text, which needs no chat template")
    names = sorted(tokenizer.chat_template) if isinstance(tokenizer.chat_template, dict) else []
    numbers = {"conversations": chats, "rows": len(talks), "template": template is not None, "named_templates": names}
    return Measurement(numbers, witnesses if template is None else [])


def judge(m: Measurement, limits: Limits) -> Judgement:
    chats = f"{m.numbers['conversations']:,} of {m.numbers['rows']:,} rows are conversations"
    if m.numbers["template"]:
        return passed(f"{chats}, and there is a chat template.")
    names = m.numbers["named_templates"]
    named = f" (it has templates named {', '.join(names)}, and none named default)" if names else ""
    return failed(f"{chats}, and the tokenizer has no chat template{named}.", fix={"model.chat_template": "chatml"})
