"""What can be asked of a server that runs a model, whatever kind of server it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sanetune.data.conversation import Message

TOP = 20
"""Log-probabilities that are asked for at each token: vLLM's own limit unless it is raised."""


class UndisclosedError(Exception):
    """This kind of server does not tell this; the text is the reason, for a check that is skipped."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as a client sends it.

    Attributes:
        messages: The messages up to the answer.
        tools: Schemas of the tools that it offers.
        template_kwargs: Further variables of the chat template.
    """

    messages: list[Message]
    tools: list[dict[str, Any]] | None = None
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The last message, for a witness."""
        return str(self.messages[-1].get("content") or "") if self.messages else ""

    def body(self) -> dict[str, Any]:
        """What every server's chat takes of it."""
        found: dict[str, Any] = {"messages": [_for_wire(one) for one in self.messages]}
        if self.tools:
            found["tools"] = self.tools
        if self.template_kwargs:
            found["chat_template_kwargs"] = dict(self.template_kwargs)
        return found


@dataclass(frozen=True, slots=True)
class NextToken:
    """The token that comes next when the likeliest is taken.

    Attributes:
        token: Its id; None: an id that the server does not tell.
        log_probs: Token id -> log-probability in nats, of the likeliest ones.
        ended: Whether the server ended the answer here.
        text: What the server put into the answer.
    """

    token: int | None
    log_probs: Mapping[int, float]
    ended: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class ChatReply:
    """An answer as a client gets it.

    Attributes:
        content: Its text.
        reasoning: Its reasoning, where the server has parsed it.
        tool_calls: Its calls, where the server has parsed them: names and arguments.
        finish: ``stop``, ``length``, ``tool_calls``, ….
        prompt_tokens: Tokens of the prompt as the server counts them; None: it does not say.
        answer_tokens: Tokens of the answer; None: it does not say.
    """

    content: str
    reasoning: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish: str = ""
    prompt_tokens: int | None = None
    answer_tokens: int | None = None


class Server(Protocol):
    """A running server with one model."""

    @property
    def kind(self) -> str:
        """``llama.cpp``, ``vLLM``, ``Ollama`` or ``OpenAI-compatible``."""

    @property
    def model(self) -> str:
        """What the server calls the model."""

    @property
    def storage(self) -> str:
        """How it says that weights are stored (``Q4_1``, ``F16``, …); "": it does not say."""

    @property
    def template(self) -> str:
        """The chat template that it uses, in Jinja; "": it does not say."""

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Return the token ids that the model gets for ``prompt``; :class:`UndisclosedError` where it does not tell."""

    def next_token(self, ids: list[int]) -> NextToken:
        """Return what follows token ``ids``, as they are; :class:`UndisclosedError` where it takes none."""

    def chat(self, prompt: Prompt, max_tokens: int) -> ChatReply:
        """Return its greedy answer of at most ``max_tokens`` tokens."""


def log_prob(value: object) -> float:
    """Return a log-probability that a server tells.

    Raises:
        ValueError: It is none: NaN compares with nothing, so that every tolerance would seem to be kept.
    """
    found = float(value) if isinstance(value, int | float) else math.nan
    if math.isnan(found) or found > 1e-3:
        raise ValueError(value)
    return found


def _for_wire(message: Message) -> Message:
    """A message with the arguments of its calls as text, which is how OpenAI's own clients send them."""
    import json

    if not (calls := message.get("tool_calls")):
        return message
    sent = []
    for number, call in enumerate(calls):
        function = call["function"]
        arguments = function["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        sent.append({"id": f"call_{number}", **call, "function": {**function, "arguments": text}})
    return {**message, "tool_calls": sent}
