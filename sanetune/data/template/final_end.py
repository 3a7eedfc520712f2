"""End the last reply of a conversation where a chat template does not.

Some templates write an end between turns only: GLM's models stop at the header of the next turn, and Apertus writes its
end token in front of the next question. On rows of one turn nothing would then teach the model to stop.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sanetune.data.conversation import Message
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import TemplateError

_TAG = re.compile(r"\s*(<[^<>\s]{1,64}>|\[[^\[\]\s]{1,64}\])")

_QUESTION, _ANSWER, _NEXT = "sanetune asks", "sanetune replies", "sanetune goes on"
_CALL = {"id": "call00001", "type": "function", "function": {"name": "sanetune_call", "arguments": {}}}


@dataclass(frozen=True, slots=True)
class FinalEnd:
    """What is put behind the last reply of a rendered conversation.

    Attributes:
        after_text: Behind a text.
        after_call: Behind tool calls; empty where nothing is known to end them.
        ends: Strings of which one may end the conversation already.
    """

    after_text: str
    after_call: str
    ends: tuple[str, ...]

    @classmethod
    def of(cls, template: ChatTemplate, stops: Sequence[str], named: Sequence[str]) -> FinalEnd | None:
        """Return the end that ``template`` leaves out behind a last reply; None where it writes one, or none is known.

        Args:
            template: The template.
            stops: The model's stop tokens.
            named: Those of them that its ``generation_config.json`` names.
        """
        asked: list[Message] = [{"role": "user", "content": _QUESTION}]
        replied: list[Message] = [*asked, {"role": "assistant", "content": _ANSWER}]
        question: Message = {"role": "user", "content": _NEXT}
        last = _between(template, replied, _ANSWER, None)
        if last is None or last.strip():
            return None
        between = _between(template, [*replied, question], _ANSWER, _NEXT) or ""
        before = _between(template, asked, None, _QUESTION) or ""
        end = _first_end(between, before, stops) or (named[0] if named else "")
        if not end:
            return None
        called: Message = {"role": "assistant", "content": "", "tool_calls": [_CALL]}
        result: Message = {"role": "tool", "name": "sanetune_call", "tool_call_id": "call00001", "content": _NEXT}
        behind = _between(template, [*asked, called, result], "sanetune_call", _NEXT) or ""
        after_call = min((stop for stop in (end, *stops) if stop in behind), key=behind.find, default="")
        return cls(end, after_call, tuple(dict.fromkeys((end.strip(), *stops))))

    def completed(self, text: str, messages: Sequence[Message]) -> str:
        """Return the rendered ``text`` of ``messages`` with an end behind the last reply."""
        if not messages or messages[-1].get("role") != "assistant":
            return text
        written = text.rstrip()
        end = self.after_call if messages[-1].get("tool_calls") else self.after_text
        return text if not end or written.endswith(self.ends) else written + end


def _first_end(between: str, before: str, stops: Sequence[str]) -> str:
    """The tag that ends a reply, with the white space before it, in what is between it and the next question.

    It is a stop token, or one that is no part of the question's own header, which is ``before`` a first question too.
    """
    found = _TAG.match(between)
    return found[0] if found and (found[1] in stops or found[1] not in before) else ""


def _between(template: ChatTemplate, messages: list[Message], left: str | None, right: str | None) -> str | None:
    """What is rendered between two texts (None: the beginning, the end); None where it does not hold them."""
    try:
        text = template.render(messages)
    except TemplateError:
        return None
    start = 0 if left is None else text.rfind(left, 0, text.rfind(right) if right else len(text))
    stop = len(text) if right is None else text.rfind(right)
    if start < 0 or stop < start:
        return None
    return text[start + len(left or "") : stop]
