"""Asks vLLM's server, which tokenizes messages as its chat does and takes token ids as a prompt."""

from __future__ import annotations

from dataclasses import dataclass

from sanetune.serving.http import Endpoint, Json, RefusedRequestError
from sanetune.serving.openai import OpenAIServer, unknown
from sanetune.serving.server import TOP, ChatReply, NextToken, Prompt, UndisclosedError, log_prob

TOKEN = "token_id:"
"""What vLLM writes before an id in place of a token's text, where it is asked to."""

ABSENT = (404, 405, 501)
OTHER_FORM = (400, 422)
"""How SGLang refuses what its version has not: messages to be tokenized, ids in place of texts."""


@dataclass(frozen=True, slots=True)
class VllmServer:
    """A vLLM server, or one of SGLang, which takes the same as far as its version goes.

    Attributes:
        endpoint: Its address.
        model: What it calls the model.
        storage: vLLM does not say how weights are stored.
        template: Nor which template it uses.
        kind: What it is.
    """

    endpoint: Endpoint
    model: str
    storage: str = ""
    template: str = ""
    kind: str = "vLLM"

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Return the ids that ``/tokenize`` gives for the messages."""
        body = {"model": self.model, **prompt.body(), "add_generation_prompt": True}
        tokens = self._asked("/tokenize", body, "tell which tokens a prompt becomes").get("tokens")
        if not isinstance(tokens, list) or not all(type(one) is int for one in tokens):
            raise unknown("/tokenize", "token ids")
        return tokens

    def next_token(self, ids: list[int]) -> NextToken:
        """Return what follows token ``ids``."""
        body = {
            "model": self.model,
            "prompt": ids,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": TOP,
            "return_tokens_as_token_ids": True,
        }
        answer = self._asked("/v1/completions", body, "take token ids")
        try:
            choice = answer["choices"][0]
            scores = choice["logprobs"]
            log_probs = {_id(name): log_prob(value) for name, value in scores["top_logprobs"][0].items()}
            text = str(choice.get("text", ""))
            return NextToken(_id(scores["tokens"][0]), log_probs, choice.get("finish_reason") == "stop", text)
        except (KeyError, TypeError, ValueError, IndexError):
            if self.kind == "SGLang":  # it has no return_tokens_as_token_ids
                raise UndisclosedError("this SGLang server tells the texts of tokens, not their ids") from None
            raise unknown("/v1/completions", "tokens and their probabilities") from None

    def _asked(self, path: str, body: Json, ability: str) -> Json:
        """What ``path`` answers; :class:`UndisclosedError` where the server has no such path."""
        try:
            return self.endpoint.post(path, body)
        except RefusedRequestError as error:
            if error.status in ABSENT or (self.kind == "SGLang" and error.status in OTHER_FORM):
                raise UndisclosedError(f"this {self.kind} server does not {ability}: {error.message}") from None
            raise

    def chat(self, prompt: Prompt, max_tokens: int) -> ChatReply:
        """Return the greedy answer to ``prompt`` of at most ``max_tokens`` tokens."""
        return OpenAIServer(self.endpoint, self.model).chat(prompt, max_tokens)


def _id(name: object) -> int:
    """The id behind ``token_id:``."""
    if not isinstance(name, str) or not name.startswith(TOKEN):
        raise ValueError(name)
    return int(name.removeprefix(TOKEN))
