"""Thinking tags in the text of answers, and whether they are in pairs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from sanetune.data.conversation import Message
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import TemplateError

PAIRS = {
    **{f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "reasoning", "seed:think")},
    "[THINK]": "[/THINK]",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "◁think▷": "◁/think▷",
}
"""What opens a model's reasoning -> what closes it."""

_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def tag_faults(message: Message, template: ChatTemplate | None) -> dict[str, int]:
    """Return what is wrong with the tags of an answer: its kind -> where in the text."""
    text, reasoning = _without_code(message["content"]), _without_code(message.get("reasoning_content", ""))
    found: dict[str, int] = {}
    for opening, closing in PAIRS.items():
        if opening not in text and closing not in text and opening not in reasoning:
            continue
        if message.get("reasoning_content") and (_begins(text, opening) or _begins(reasoning, opening)):
            found.setdefault("twice", 0)
        for kind, at in _unpaired(text, opening, closing):
            if kind != "unopened" or not _opens_itself(template, opening, closing):
                found.setdefault(kind, at)
    return found


def has_tags(message: Message) -> bool:
    """Return whether an answer has reasoning, or a thinking tag in its text."""
    text = message["content"]
    return bool(message.get("reasoning_content")) or any(one in text for pair in PAIRS.items() for one in pair)


def _without_code(text: str) -> str:
    """``text`` with blanks in place of its code, in which tags are quoted."""
    return _CODE.sub(lambda match: " " * len(match[0]), text) if "`" in text else text


def _begins(text: str, opening: str) -> bool:
    return text.lstrip().startswith(opening)


def _unpaired(text: str, opening: str, closing: str) -> Iterator[tuple[str, int]]:
    """Tags that have no partner. One inside a line, where no tag was opened, is only a mention."""
    opened = -1
    end = 0  # of the last tag
    for match in re.finditer(f"{re.escape(opening)}|{re.escape(closing)}", text):
        at = match.start()
        alone = not text[text.rfind("\n", 0, at) + 1 : at].strip() or not text[end:at].strip()
        if match[0] == opening and alone:
            if opened >= 0:
                yield "nested", at
            opened = at
        elif match[0] == closing and opened >= 0:
            opened = -1
        elif match[0] == closing and (alone or not text[match.end() :].partition("\n")[0].strip()):
            yield "unopened", at
        else:
            continue
        end = match.end()
    if opened >= 0:
        yield "unclosed", opened


@lru_cache(64)
def _opens_itself(template: ChatTemplate | None, opening: str, closing: str) -> bool:
    """Whether the chat template writes the opening tag where an answer has only the closing one."""
    if template is None:
        return False
    messages: list[Message] = [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": f"sanetune-thought\n{closing}\n\nsanetune-answer"},
    ]
    try:
        text = template.render(messages)
        return opening in text.partition("sanetune-thought")[0] or opening in template.render(
            messages[:1], add_generation_prompt=True
        )
    except TemplateError:
        return False
