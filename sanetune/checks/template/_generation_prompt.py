"""The prompt that inference gives before a reply, compared with the text that is trained up to that reply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sanetune.data.template.chat_template import TemplateStoppedError
from sanetune.errors import TemplateError

if TYPE_CHECKING:
    from sanetune.data.conversation import Conversation, Message
    from sanetune.data.template.chat_template import ChatTemplate

_THINKING = r"[A-Za-z_:]{0,32}(?:think|thought|reason)[A-Za-z_]{0,32}"
_OPENED = re.compile(
    rf"(<{_THINKING}>|<\|?[A-Za-z_]{{0,20}}(?:think|thought|reason|channel)[A-Za-z_]{{0,20}}\|?>)"
    r"[^<>]{0,40}(?:<[^<>]{1,40}>\s*)?\Z|([^\n<>]{0,60}reason[^\n<>]{0,60}\n?)\Z",
    re.IGNORECASE,
)
"""What opens thinking at the end of a prompt: a tag, which may be closed again, or a line of words."""
_OWN_TAGS = re.compile(r"(?:\s*<[^<>]{0,20}(?:response|text|final|message)[^<>]{0,20}>)+\s*", re.IGNORECASE)
"""Tags by which a reply itself begins: they name no role."""
_EMPTY = re.compile(rf"<({_THINKING})>\s*</\1>\s*")
_NOON = datetime(2024, 7, 26, 12)

TURNS = 6
"""Turns of one conversation that are compared: the first three and the last three."""


class Fit(StrEnum):
    """How the prompt of a turn compares with the training text."""

    SAME = "same"
    """The training text begins with the prompt, and the reply follows."""
    THINKING = "thinking"
    """The prompt ends with a thinking tag, which the trained turn opens itself, with other contents."""
    SILENT = "silent"
    """The prompt ends with a thinking tag, and the trained turn has no thinking."""
    FORGETFUL = "forgetful"
    """Earlier turns have their reasoning at inference and not in training; all else is equal."""
    STRIPPED = "stripped"
    """Earlier turns have their reasoning in training and not at inference; all else is equal."""
    CONTINUED = "continued"
    """After a tool's answer no header is given, and the training text has it (the model goes on with its turn)."""
    HEADLESS = "headless"
    """The template gives no generation prompt, and something precedes the reply."""
    HEADER = "header"
    """The generation prompt differs from what precedes the trained reply."""
    HISTORY = "history"
    """What precedes the turn is another text at inference."""
    RETOLD = "retold"
    """The same, in the middle of calls and answers of tools, which the template tells otherwise once they are over."""
    SPACED = "spaced"
    """The training text begins with the prompt, but for white space."""
    MOVED = "moved"
    """The system text is put before the last question: earlier turns have it at inference, and not in training."""
    REFUSED = "refused"
    """The whole conversation renders, and the messages before the reply do not."""
    UNSTEADY = "unsteady"
    """The same conversation renders to another text the second time."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One assistant turn: how its prompt fits, and both texts where they part, with what precedes.

    Attributes:
        spaces: The white space at which they part, trained and inferred, where nothing else differs.
    """

    message: int
    fit: Fit
    trained: str = ""
    inferred: str = ""
    spaces: tuple[str, str] = ("", "")


class Prompter:
    """Renders conversations with one template as training and as inference do, at one fixed moment."""

    def __init__(self, template: ChatTemplate) -> None:
        self.template = template
        self.rendered = 0
        """Messages rendered so far."""
        self._lone: str | None = None
        self._led_alone: bool | None = None

    def text(self, conversation: Conversation, count: int | None = None, *, prompted: bool = False) -> str:
        """The first ``count`` messages (default: all) as text. Dates are fixed: a template that prints today's is no
        other template tomorrow."""
        messages = conversation.messages[:count]
        return self._render(messages, conversation, prompted)

    def compared(self, conversation: Conversation) -> list[Compared]:
        """Every turn that inference would ask for; none where the template refuses the conversation."""
        try:
            text, again = self.text(conversation), self.text(conversation)
        except TemplateStoppedError:
            raise
        except TemplateError:
            return []
        if text != again:
            return [Compared(0, Fit.UNSTEADY, *_parting(text, again, 0))]
        asked = [index for index in range(len(conversation.messages)) if _asked(conversation.messages, index)]
        chosen = asked if len(asked) <= TURNS else asked[: TURNS // 2] + asked[-TURNS // 2 :]
        return [one for index in chosen if (one := self._turn(conversation, index, text)) is not None]

    def _turn(self, conversation: Conversation, index: int, text: str) -> Compared | None:
        try:
            prompt = self.text(conversation, index, prompted=True)
            plain = self.text(conversation, index)
        except TemplateStoppedError:
            raise
        except TemplateError:
            if conversation.messages[index - 1].get("role") not in ("user", "tool"):
                return None  # a greeting, say: nobody asks for it
            return Compared(index, Fit.REFUSED, *_parting(text, "", 0))
        if text.startswith(prompt):
            return self._led(conversation.messages[index], index, text, prompt, prompt != plain)
        cut, tag = _without_opened(prompt)
        if tag and text.startswith(cut):
            opens = text[len(cut) : len(cut) + 200].lstrip().startswith(tag.strip())
            return Compared(index, Fit.THINKING if opens else Fit.SILENT, *_parting(text, prompt, len(cut)))
        if self._fits_without_reasoning(conversation, index):
            fit = Fit.STRIPPED if _reasoning_left_out(conversation.messages[:index], text, prompt) else Fit.FORGETFUL
            return Compared(index, fit, *_parting(text, prompt, _shared(text, prompt)))
        if self._fits_without_system(conversation, index):
            return Compared(index, Fit.MOVED, *_parting(text, prompt, _shared(text, prompt)))
        at = _shared(text, prompt)
        if _unspaced(text).startswith(_unspaced(prompt)):
            return Compared(index, Fit.SPACED, *_parting(text, prompt, at), spaces=_spaces(text, prompt, at))
        fit = Fit.HEADER if at >= _shared(plain, prompt) else Fit.HISTORY
        if fit is Fit.HISTORY and conversation.messages[index - 1].get("role") == "tool":
            fit = Fit.RETOLD
        return Compared(index, fit, *_parting(text, prompt, at))

    def _led(self, message: Message, index: int, text: str, prompt: str, prompts: bool) -> Compared | None:
        """What stands between a prompt that fits and the reply: a header that is not given?"""
        found = [at for words in _first_texts(message) if (at := text.find(words, len(prompt))) >= 0]
        if not found:
            return None  # the reply is empty, or lost in rendering
        lead = text[len(prompt) : min(found)]
        if prompts or message.get("tool_calls") or message.get("reasoning_content"):
            return Compared(index, Fit.SAME)
        if not _EMPTY.sub("", lead).strip() or _OWN_TAGS.fullmatch(lead):
            return Compared(index, Fit.SAME)
        continued = lead.startswith(self._lone_prompt) if self._lone_prompt else not self._lone_lead
        fit = Fit.CONTINUED if continued else Fit.HEADLESS
        return Compared(index, fit, *_parting(text, prompt, len(prompt)))

    @property
    def _lone_prompt(self) -> str:
        """What inference appends after a lone user's message."""
        if self._lone is None:
            user: list[Message] = [{"role": "user", "content": "probe"}]
            try:
                plain, prompted = (self.template.render(user, add_generation_prompt=flag) for flag in (False, True))
                self._lone = prompted[_shared(plain, prompted) :]
            except TemplateError:
                self._lone = ""
        return self._lone

    @property
    def _lone_lead(self) -> bool:
        """Whether something stands between a lone user's message and its reply that inference does not give."""
        if self._led_alone is None:
            asked: list[Message] = [{"role": "user", "content": "probe"}]
            try:
                prompt = self.template.render(asked, add_generation_prompt=True)
                text = self.template.render([*asked, {"role": "assistant", "content": "reply"}])
                self._led_alone = not text[_shared(text, prompt) :].startswith("reply")
            except TemplateError:
                self._led_alone = True
        return self._led_alone

    def _fits_without_reasoning(self, conversation: Conversation, index: int) -> bool:
        """Whether only reasoning of earlier turns makes the difference."""
        bare = [_without_reasoning(message) for message in conversation.messages]
        try:
            text = _EMPTY.sub("", self._render(bare, conversation, False))
            prompt = self._render(bare[:index], conversation, True)
        except TemplateError:
            return False
        return text.startswith(_EMPTY.sub("", _without_opened(prompt)[0]))

    def _fits_without_system(self, conversation: Conversation, index: int) -> bool:
        """Whether only the place of the system text makes the difference."""
        others = [one for one in conversation.messages if one.get("role") not in ("system", "developer")]
        before = index - (len(conversation.messages) - len(others))
        if before <= 0 or len(others) == len(conversation.messages):
            return False
        try:
            text = self._render(others, conversation, False)
            prompt = self._render(others[:before], conversation, True)
        except TemplateError:
            return False
        return text.startswith(prompt)

    def _render(self, messages: list[Message], conversation: Conversation, prompted: bool) -> str:
        self.rendered += len(messages)
        variables: dict[str, Any] = {"strftime_now": _NOON.strftime, **conversation.template_kwargs}
        return self.template.render(messages, conversation.tools, variables, add_generation_prompt=prompted)


def _asked(messages: list[Message], index: int) -> bool:
    """Inference asks for a reply after what someone else said."""
    before = messages[index - 1].get("role") if index else None
    return messages[index].get("role") == "assistant" and before not in (None, "assistant")


def _first_texts(message: Message) -> list[str]:
    """What a reply may begin with in a rendering: templates take thinking out of the content, or put calls first."""
    content = str(message.get("content") or "").strip()
    calls = message.get("tool_calls") or [{}]
    texts = [
        str(message.get("reasoning_content") or "").strip(),
        content,
        content.rpartition("</think>")[2].strip(),
        str(calls[0].get("function", {}).get("name") or ""),
    ]
    return [text for text in texts if text]


def _reasoning_left_out(messages: list[Message], text: str, prompt: str) -> bool:
    """Whether reasoning of these earlier turns is in the training text and not in the prompt of inference."""
    thoughts = (_reasoning(message) for message in messages if message.get("role") == "assistant")
    return any(thought in text and thought not in prompt for thought in thoughts if thought)


def _reasoning(message: Message) -> str:
    """The reasoning of a turn, from its own field or from tags in its content."""
    own = str(message.get("reasoning_content") or "").strip()
    return own or str(message.get("content") or "").rpartition("</think>")[0].rpartition("<think>")[2].strip()


def _without_reasoning(message: Message) -> Message:
    message = {key: value for key, value in message.items() if key != "reasoning_content"}
    if message.get("role") == "assistant" and isinstance(message.get("content"), str):
        message["content"] = message["content"].rpartition("</think>")[2].lstrip()
    return message


def _without_opened(prompt: str) -> tuple[str, str]:
    """``prompt`` without what opens thinking at its end, and that (empty: nothing does)."""
    found = _OPENED.search(prompt, max(len(prompt) - 200, 0))
    return (prompt[: found.start()], found[1] or found[2]) if found else (prompt, "")


def _shared(left: str, right: str) -> int:
    """Length of the common beginning."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _unspaced(text: str) -> str:
    return "".join(text.split())


def _spaces(trained: str, inferred: str, at: int) -> tuple[str, str]:
    """The run of white space around character ``at``, where both texts part, in each of them."""
    start = len(trained[:at].rstrip())
    return tuple(text[start : len(text) - len(text[start:].lstrip())] for text in (trained, inferred))  # type: ignore[return-value]


def _parting(trained: str, inferred: str, at: int) -> tuple[str, str]:
    """Both texts around character ``at``."""
    start = max(at - 60, 0)
    return trained[start : at + 60], inferred[start : at + 60]
