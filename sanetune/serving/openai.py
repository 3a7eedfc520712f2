"""Asks a server of which nothing is known but that it speaks OpenAI's chat API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sanetune.serving.http import Endpoint, EndpointError
from sanetune.serving.server import ChatReply, NextToken, Prompt, UndisclosedError


@dataclass(frozen=True, slots=True)
class OpenAIServer:
    """A server with ``/v1/chat/completions``. It tells neither ids nor what follows them.

    Attributes:
        endpoint: Its address.
        model: What it calls the model.
        storage: How it says that weights are stored.
        template: The chat template that it says it uses.
        kind: What it is.
    """

    endpoint: Endpoint
    model: str
    storage: str = ""
    template: str = ""
    kind: str = "OpenAI-compatible"

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Raise :class:`UndisclosedError`: the API has nothing for it."""
        raise UndisclosedError("the server does not tell which tokens a prompt becomes")

    def next_token(self, ids: list[int]) -> NextToken:
        """Raise :class:`UndisclosedError`: the API takes no token ids."""
        raise UndisclosedError("the server takes no token ids")

    def chat(self, prompt: Prompt, max_tokens: int) -> ChatReply:
        """Return the greedy answer to ``prompt`` of at most ``max_tokens`` tokens."""
        body = {"model": self.model, **prompt.body(), "temperature": 0, "max_tokens": max_tokens}
        return reply_of(self.endpoint.post("/v1/chat/completions", body), "/v1/chat/completions")


def reply_of(answer: object, path: str) -> ChatReply:
    """Return the first choice of a chat completion.

    Raises:
        EndpointError: The answer is no chat completion.
    """
    choices = answer.get("choices") if isinstance(answer, Mapping) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(answer, Mapping) or not isinstance(choice, Mapping) or not isinstance(message, Mapping):
        raise unknown(path, "a chat completion")
    usage = answer.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    return ChatReply(
        _text(message.get("content")),
        _text(message.get("reasoning_content") or message.get("reasoning")),
        calls_of(message.get("tool_calls")),
        _text(choice.get("finish_reason")),
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def calls_of(value: object) -> list[dict[str, Any]]:
    """Return the tool calls of a message; what is no call is left out."""
    from sanetune.data.tool_calls import tool_calls
    from sanetune.errors import DataError

    found: list[dict[str, Any]] = []
    for call in value if isinstance(value, list) else []:
        try:
            found += tool_calls(call)
        except DataError:
            continue
    return found


def unknown(path: str, expected: str) -> EndpointError:
    """Return the error that ``path`` does not answer with ``expected``."""
    return EndpointError(
        f"{path} does not answer with {expected}.",
        "Nothing can be read from it.",
        "Check the address, and the server's own log.",
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
