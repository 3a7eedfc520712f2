"""The chat template changes texts: it trims them or writes them otherwise.

## What it does
Renders conversations whose texts begin or end with white space, and one to three of every shape, and seeks every text
as it is. One that is there without its outer white space is trimmed; one whose letters are there, but not its
spelling, is rewritten.

## Why is this bad?
The model is trained on another text than the row's. Code without its first indentation is no longer the same code.

## Example
Llama 3.1's template trims every message, so of this answer `x = 0` is trained:

```jsonl
{"prompt": "Continue:\nif not x:\n", "completion": "    x = 0"}
```

## Use instead
Let such texts begin with something else (a fence ```` ``` ````), or use a template that keeps them
(`model.chat_template: FILE`).

```jsonl
{"prompt": "Continue:\nif not x:\n", "completion": "```\n    x = 0\n```"}
```

## Known problems
Line breaks and a single space around a text are trimmed by many templates and rarely matter: they are counted, and
pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.errors import TemplateError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, passed, warned

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation
    from sanetune.data.template.chat_template import ChatTemplate
    from sanetune.evidence.conversations import ConversationStore

FIX = "none"
DEPENDS_ON = ("rows",)

MOST = 1_000
"""Conversations with outer white space that are rendered: about a second."""


def measure(template: ChatTemplate | None, conversations: ConversationStore) -> Measurement:
    """Texts that are trimmed or rewritten, by what happens to them and by role."""
    if template is None:
        raise NotApplicableError("there is no chat template")
    counts: Counter[str] = Counter()
    witnesses: list[Witness] = []
    texts = rendered = 0
    for conversation in _chosen(conversations):
        try:
            text = template.render(conversation.messages, conversation.tools, conversation.template_kwargs)
        except TemplateError:
            continue
        rendered += 1
        for index, message in enumerate(conversation.messages):
            content = message.get("content")
            if not isinstance(content, str) or not content.strip():
                continue
            texts += 1
            change = _change(content, text)
            if change:
                counts[f"{change} {message['role']}"] += 1
                if change != "blank" and len(witnesses) < MOST_WITNESSES:
                    note = f"message {index} ({message['role']}) is {WORDS[change]}; beside it what is rendered"
                    shown = content.strip() if change == "indent" else ""
                    witnesses.append(Witness(content[:300], conversation.place, note, shown[:300]))
    if not rendered:
        raise NotApplicableError("no conversation can be rendered")
    numbers: dict[str, Any] = {"conversations": rendered, "texts": texts, "changed": dict(counts)}
    return Measurement(numbers, witnesses)


WORDS = {"indent": "rendered without its first indentation", "rewritten": "written otherwise", "blank": "trimmed"}


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    scope = f"{n['conversations']:,} conversations rendered"
    found = [
        f"{count:,} texts of {name.partition(' ')[2]} {WORDS[name.partition(' ')[0]]}"
        for name, count in n["changed"].items()
        if not name.startswith("blank")
    ]
    blank = sum(count for name, count in n["changed"].items() if name.startswith("blank"))
    if found:
        return warned(f"{scope}: {'; '.join(found)}.")
    trimmed = f"; of {blank:,} the template trims line breaks or a space at the ends" if blank else ""
    return passed(f"{scope}: {n['texts']:,} texts are written as they are{trimmed}.")


def _chosen(conversations: ConversationStore) -> Iterator[Conversation]:
    """Some of every shape, and those whose texts have white space around them."""
    from sanetune.checks.template._conversation_shapes import conversation_shapes

    examples = [conversation for _, conversation in conversation_shapes(conversations).examples()]
    yield from examples
    places, spaced = {(one.place.file, one.place.row) for one in examples}, 0
    for conversation in chain.from_iterable(conversations.sides):
        known = (conversation.place.file, conversation.place.row) in places
        if not known and any(_indented(str(message.get("content") or "")) for message in conversation.messages):
            spaced += 1
            yield conversation
        if spaced == MOST:
            return


def _change(content: str, text: str) -> str:
    """What a rendered text does to ``content``: ``indent``, ``blank``, ``rewritten``, or nothing."""
    from sanetune.checks.template._rendered import contains, words_only

    if contains(text, content):
        return ""
    core = content.strip()
    if contains(text, core):
        return "indent" if _indented(content) and not contains(text, content.rstrip()) else "blank"
    letters = words_only(core)
    return "rewritten" if len(letters) > 20 and letters in words_only(text) else ""


def _indented(content: str) -> bool:
    """Whether a text begins with a tab or more than one space."""
    first = content.lstrip("\r\n")
    return first.startswith(("\t", "  ")) and bool(content.strip())
