"""Read the markup of chat templates in text that was rendered before: ChatML, Llama, Mistral, Gemma, Alpaca and others.

A text is *rendered* where it begins with the header of a turn. Markup further inside says nothing about the text: it
may be quoted, or somebody may try to forge a turn. It is never read as turns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from sanetune.data.conversation import Conversation, Message

ROLES = {
    **{role: role for role in ("system", "developer", "user", "assistant", "tool")},
    **dict.fromkeys(("human", "prompter", "question", "instruction", "input", "inst"), "user"),
    **dict.fromkeys(("model", "chatbot", "bot", "gpt", "answer", "response", "output", "/inst"), "assistant"),
    **dict.fromkeys(("system_prompt",), "system"),
    **dict.fromkeys(("ipython", "function", "observation", "function response"), "tool"),
}
"""What a header calls a role, in lower case -> the role."""

ENDS = (
    "</s>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|EOT|>",
    "<|end|>",
    "<|return|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<end_of_turn>",
    "<turn|>",
    "<eos>",
    "<｜end▁of▁sentence｜>",
    "[EOS]",
    "[/SYSTEM_PROMPT]",
)
"""Tokens that end a turn or a text, as templates write them."""

BEGINS = re.compile(
    r"\s*(?:<s>|<bos>|<BOS_TOKEN>|<\|begin_of_text\|>|<\|startoftext\|>|<\|endoftext\|>|<｜begin▁of▁sentence｜>"
    r"|\[gMASK\]|<sop>|\s)*"
)
"""What may precede the first header."""

_PREAMBLE = re.compile(
    r"(below is an instruction|a chat between|a conversation between|the following is)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of writing turns.

    Attributes:
        name: As it is called.
        header: Matches the header of a turn, with the role in the only group that takes part in the match.
        words: Whether headers are ordinary words, which a transcript may have too.
    """

    name: str
    header: re.Pattern[str]
    words: bool = False


_WHO = "system|developer|user|assistant|tool"
DIALECTS = (
    Dialect("ChatML", re.compile(rf"<\|im_start\|>(?P<role>{_WHO}|human|gpt)\b[ \t]*\n?")),
    Dialect("Llama 3", re.compile(rf"<\|start_header_id\|>(?P<role>{_WHO}|ipython)<\|end_header_id\|>\n{{0,2}}")),
    Dialect("Llama 4", re.compile(rf"<\|header_start\|>(?P<role>{_WHO}|ipython)<\|header_end\|>\n{{0,2}}")),
    Dialect("Gemma", re.compile(r"<start_of_turn>(?P<role>user|model|system|developer)\b[ \t]*\n?")),
    Dialect("Gemma 4", re.compile(r"<\|turn>(?P<role>user|model|system|developer)\b[ \t]*\n?")),
    Dialect("Llama 2 or Mistral", re.compile(r"\[(?P<role>/?INST|SYSTEM_PROMPT)\] ?")),
    Dialect("Granite", re.compile(rf"<\|start_of_role\|>(?P<role>{_WHO})<\|end_of_role\|>")),
    Dialect("Phi or Zephyr", re.compile(rf"<\|(?P<role>{_WHO}|prompter|observation)\|>[ \t]*\n?")),
    Dialect("DeepSeek", re.compile(r"<｜(?P<role>User|Assistant|System)｜>")),
    Dialect(
        "Command R", re.compile(r"<\|START_OF_TURN_TOKEN\|><\|(?P<role>SYSTEM|USER|CHATBOT)_TOKEN\|>", re.IGNORECASE)
    ),
    Dialect("Harmony", re.compile(rf"<\|start\|>(?P<role>{_WHO})(?:<\|channel\|>final)?<\|message\|>")),
    Dialect(
        "headings",
        re.compile(
            r"(?:^### ?(?P<role>Instruction|Input|Response|Output|Question|Answer|System) ?:"
            r"|### ?(?P<who>Human|User|Assistant) ?:)[ \t]*\n?",
            re.MULTILINE | re.IGNORECASE,
        ),
        words=True,
    ),
    Dialect(
        "Vicuna",
        re.compile(r"(?:^|(?<=\s)|(?<=</s>))(?P<role>USER|ASSISTANT|FUNCTION RESPONSE): ?|\A(?P<who>SYSTEM): ?"),
        words=True,
    ),
    Dialect(
        "brackets",
        re.compile(r"(?:^|(?=\[[A-Z]+\]:))\[(?P<role>SYSTEM|USER|HUMAN|ASSISTANT|BOT)\]:? ?", re.MULTILINE),
        words=True,
    ),
    Dialect(
        "names",
        re.compile(r"^<?(?P<role>Human|User|Assistant|Bot)>?:[ \t]*\n?", re.MULTILINE | re.IGNORECASE),
        words=True,
    ),
)
"""Every dialect that is read; of several that a text could be in, the first counts."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that a text holds: its role, and its text without header and end."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text that begins with the header of a turn, or with a usual preamble before one."""

    dialect: Dialect
    turns: list[Turn]

    @property
    def roles(self) -> list[str]:
        """Roles of the turns, in order."""
        return [turn.role for turn in self.turns]


def rendered(text: str) -> Rendered | None:
    """Return the turns of a text that was rendered before; None where it does not begin as a rendered text does.

    >>> rendered("<|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\nHello<|im_end|>\\n").turns
    [Turn(role='user', text='Hi'), Turn(role='assistant', text='Hello')]
    >>> rendered("What is <|im_start|>user for?")
    """
    start = BEGINS.match(text)
    begin = start.end() if start else 0
    for dialect in DIALECTS:
        first = dialect.header.search(text, begin)
        if first is None:
            continue
        if first.start() == begin:
            return Rendered(dialect, _turns(text, dialect, begin))
        preamble = text[begin : first.start()].strip()
        if dialect.words and len(preamble) < 1_000 and _PREAMBLE.match(preamble):
            return Rendered(dialect, [Turn("system", preamble), *_turns(text, dialect, first.start())])
    return None


def messages_in(text: str) -> list[Message]:
    """Return the messages of a text that was rendered before; none where roles do not follow each other as people talk.

    >>> [one["role"] for one in messages_in("USER: 2 + 2? ASSISTANT: 4.</s>")], messages_in("USER: 2 + 2?")
    (['user', 'assistant'], [])
    """
    found = rendered(text)
    messages = [] if found is None else _joined(found.turns)
    return messages if _sound(messages) else []


def without_end(text: str) -> str:
    """Return ``text`` without the tokens that end a turn, and without the white space around them.

    >>> without_end("Hello.</s>\\n"), without_end("Hello. ")
    ('Hello.', 'Hello. ')
    """
    rest = text.rstrip()
    while rest.endswith(ENDS):
        end = next(end for end in ENDS if rest.endswith(end))
        text = rest = rest.removesuffix(end).rstrip()
    return text


def unrendered(conversation: Conversation) -> Conversation:
    """Return a conversation with the turns that its text holds as messages; itself where it holds none.

    Nothing is changed unless roles come out in an order in which people talk: user and assistant in turn, and a system
    message first.
    """
    if conversation.text is not None:
        messages = messages_in(conversation.text)
    else:
        messages = [part for message in conversation.messages for part in _parts(message)]
        if messages == conversation.messages:
            return conversation
    return replace(conversation, messages=messages, text=None) if _sound(messages) else conversation


def _turns(text: str, dialect: Dialect, begin: int) -> list[Turn]:
    heads = list(dialect.header.finditer(text, begin))
    stops = [head.start() for head in heads[1:]] + [len(text)]
    found: list[Turn] = []
    for head, stop in zip(heads, stops, strict=True):
        role = ROLES[str(head[head.lastgroup or "role"]).lower()]
        said = without_end(text[head.end() : stop].rstrip().removesuffix("<s>")).rstrip()
        if role == "user" and said.lstrip().startswith("<<SYS>>") and "<</SYS>>" in said:
            system, _, said = said.lstrip().removeprefix("<<SYS>>").partition("<</SYS>>")
            found.append(Turn("system", system.strip()))
            said = said.lstrip()
        if dialect.words and found and found[-1].role == role:
            found[-1] = Turn(role, f"{found[-1].text}\n\n{said}".strip())  # an instruction and its input
        else:
            found.append(Turn(role, said))
    return found


def _joined(turns: list[Turn]) -> list[Message]:
    return [{"role": turn.role, "content": turn.text} for turn in turns if turn.text.strip()]


def _parts(message: Message) -> list[Message]:
    """The messages that the text of one message holds: itself where it holds no turns."""
    if message["role"] == "tool" or message.get("tool_calls"):
        return [message]
    found = rendered(message["content"])
    if found is None:
        text = without_end(message["content"])
        return [message if text == message["content"] else {**message, "content": text}]
    if found.roles == [message["role"]]:
        return [{**message, "content": found.turns[0].text}]
    return _joined(found.turns)


def _sound(messages: list[Message]) -> bool:
    """Whether user and assistant take turns, from the user on and up to an answer; after a tool's result the assistant
    goes on."""
    all_roles = [message["role"] for message in messages]
    after = zip(all_roles, [None, *all_roles], strict=False)
    roles = [role for role, before in after if role != "tool" and (role, before) != ("assistant", "tool")]
    if roles[:1] in (["system"], ["developer"]):
        roles = roles[1:]
    in_turn = all(one != other for one, other in pairwise(roles)) and set(roles) <= {"user", "assistant"}
    return in_turn and roles[:1] == ["user"] and roles[-1] == "assistant" and all_roles[-1] == "assistant"
