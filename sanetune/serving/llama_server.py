"""Asks llama.cpp's server, which tells everything: the rendered prompt, its ids, and what follows any ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sanetune.serving.http import Endpoint
from sanetune.serving.openai import OpenAIServer, unknown
from sanetune.serving.server import TOP, ChatReply, NextToken, Prompt, log_prob


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A llama-server; see the README of llama.cpp's ``tools/server``.

    Attributes:
        endpoint: Its address.
        model: What it calls the model.
        storage: How the weights of its file are stored, as ``Q4_1``.
        template: Its chat template.
        kind: What it is.
    """

    endpoint: Endpoint
    model: str
    storage: str = ""
    template: str = ""
    kind: str = "llama.cpp"

    @classmethod
    def of(cls, endpoint: Endpoint, model: str, properties: Mapping[str, Any]) -> LlamaServer:
        """Return the server with these ``properties`` (what ``/props`` answers)."""
        storage, template = (properties.get(key) for key in ("model_ftype", "chat_template"))
        return cls(endpoint, model, storage if isinstance(storage, str) else "", str(template or ""))

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Return the ids: the prompt is rendered by the server, and tokenized as its chat tokenizes."""
        rendered = self.endpoint.post("/apply-template", {"model": self.model, **prompt.body()})
        text = rendered.get("prompt") if isinstance(rendered, Mapping) else None
        if not isinstance(text, str):
            raise unknown("/apply-template", "a prompt")
        body = {"content": text, "add_special": True, "parse_special": True}
        found = self.endpoint.post("/tokenize", body)
        tokens = found.get("tokens") if isinstance(found, Mapping) else None
        if not isinstance(tokens, list) or not all(type(one) is int for one in tokens):
            raise unknown("/tokenize", "token ids")
        return tokens

    def next_token(self, ids: list[int]) -> NextToken:
        """Return what follows token ``ids``, with the probabilities before any sampling."""
        answer = self.endpoint.post(
            "/completion",
            {
                "model": self.model,
                "prompt": ids,
                "n_predict": 1,
                "temperature": 0,
                "n_probs": TOP,
                "return_tokens": True,
                "cache_prompt": True,
            },
        )
        try:
            tokens, scores = answer["tokens"], answer["completion_probabilities"]
            log_probs = {int(one["id"]): log_prob(one["logprob"]) for one in scores[0]["top_logprobs"]}
            token = int(tokens[0]) if tokens else int(scores[0]["id"])
            return NextToken(token, log_probs, answer.get("stop_type") == "eos", str(answer.get("content", "")))
        except (KeyError, TypeError, ValueError, IndexError):
            raise unknown("/completion", "tokens and their probabilities") from None

    def chat(self, prompt: Prompt, max_tokens: int) -> ChatReply:
        """Return the greedy answer to ``prompt`` of at most ``max_tokens`` tokens."""
        return OpenAIServer(self.endpoint, self.model).chat(prompt, max_tokens)
