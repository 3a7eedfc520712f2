"""Asks Ollama's own API, which tells counts of tokens and log-probabilities by text, but no token ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sanetune.serving.http import Endpoint
from sanetune.serving.openai import calls_of, unknown
from sanetune.serving.server import ChatReply, NextToken, Prompt, UndisclosedError


@dataclass(frozen=True, slots=True)
class OllamaServer:
    """A model of an Ollama server.

    Attributes:
        endpoint: Its address.
        model: Its name there.
        storage: How its weights are stored, as ``Q4_K_M``.
        template: Ollama's templates are in Go's language, so that none can be rendered here: "".
        information: What ``/api/show`` says of the model's file: ``tokenizer.ggml.add_bos_token`` and the like.
        kind: What it is.
    """

    endpoint: Endpoint
    model: str
    storage: str = ""
    template: str = ""
    information: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "Ollama"

    @classmethod
    def of(cls, endpoint: Endpoint, model: str) -> OllamaServer:
        """Return the server with what ``/api/show`` says of ``model``."""
        shown = endpoint.post("/api/show", {"model": model})
        details, information = ({}, {}) if not isinstance(shown, Mapping) else (
            shown.get("details"), shown.get("model_info")
        )  # fmt: skip
        storage = details.get("quantization_level") if isinstance(details, Mapping) else ""
        known = information if isinstance(information, Mapping) else {}
        return cls(endpoint, model, storage if isinstance(storage, str) else "", "", known)

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Raise :class:`UndisclosedError`: Ollama has no way to ask for them."""
        raise UndisclosedError("Ollama does not tell which tokens a prompt becomes; it tells how many they are")

    def next_token(self, ids: list[int]) -> NextToken:
        """Raise :class:`UndisclosedError`: Ollama takes text only, which it tokenizes itself."""
        raise UndisclosedError("Ollama takes no token ids, so that its log-probabilities may follow other tokens")

    def chat(self, prompt: Prompt, max_tokens: int) -> ChatReply:
        """Return the greedy answer to ``prompt`` of at most ``max_tokens`` tokens, through ``/api/chat``."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": prompt.messages,  # Ollama's own API takes arguments as objects, as they are here
            "stream": False,
            "options": {"temperature": 0, "num_predict": max_tokens},
        }
        if prompt.tools:
            body["tools"] = prompt.tools
        if "enable_thinking" in prompt.template_kwargs:
            body["think"] = bool(prompt.template_kwargs["enable_thinking"])
        answer = self.endpoint.post("/api/chat", body)
        message = answer.get("message") if isinstance(answer, Mapping) else None
        if not isinstance(answer, Mapping) or not isinstance(message, Mapping):
            raise unknown("/api/chat", "a message")
        counts = [answer.get(key) for key in ("prompt_eval_count", "eval_count")]
        prompt_tokens, answer_tokens = (one if type(one) is int else None for one in counts)
        return ChatReply(
            str(message.get("content") or ""),
            str(message.get("thinking") or ""),
            calls_of(message.get("tool_calls")),
            str(answer.get("done_reason") or ""),
            prompt_tokens,
            answer_tokens,
        )
