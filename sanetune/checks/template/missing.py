"""The data contains conversations, and the tokenizer has no chat template.

## What it does
Counts rows with messages, and checks whether the model's tokenizer or `model.chat_template` gives a chat template.

## Why is this bad?
Without a template nothing defines where a turn begins and which token ends it: nothing can be trained or served.

## Example
Base models often come without a template:

```yaml
model:
  name: meta-llama/Llama-3.2-1B
```

## Use instead
Set `model.chat_template: chatml` (it adds its two tokens), or a file of your own.

```yaml
model:
  name: meta-llama/Llama-3.2-1B
  chat_template: chatml
```
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, passed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore

FIX = "always"
DEPENDS_ON = ("rows",)


def measure(
    conversations: ConversationStore, tokenizer: PreTrainedTokenizerBase, template: ChatTemplate | None
) -> Measurement:
    chats = 0
    witnesses: list[Witness] = []
    for conversation in chain.from_iterable(conversations.sides):
        if conversation.text is None and conversation.messages:
            chats += 1
            if len(witnesses) < 3:
                first = str(conversation.messages[0].get("content") or "")
                witnesses.append(Witness(first[:200], conversation.place, "a row with messages"))
    if not chats:
        raise NotApplicableError("the rows are plain text, which needs no chat template")
    names = sorted(tokenizer.chat_template) if isinstance(tokenizer.chat_template, dict) else []
    numbers = {
        "conversations": chats,
        "rows": len(conversations),
        "template": template is not None,
        "named_templates": names,
    }
    return Measurement(numbers, witnesses if template is None else [])


def judge(m: Measurement, limits: Limits) -> Judgement:
    chats = f"{m.numbers['conversations']:,} of {m.numbers['rows']:,} rows are conversations"
    if m.numbers["template"]:
        return passed(f"{chats}, and there is a chat template.")
    names = m.numbers["named_templates"]
    named = f" (it has templates named {', '.join(names)}, and none named default)" if names else ""
    return failed(f"{chats}, and the tokenizer has no chat template{named}.", fix={"model.chat_template": "chatml"})
