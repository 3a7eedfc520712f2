"""A conversation with a model, answer by answer."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sanetune.data.conversation import Message


class Chat:
    """Keeps the conversation so far, which is the context of each answer.

    Args:
        model: In evaluation mode, on its device.
        tokenizer: Of the model, with its chat template.
        max_new_tokens: Tokens that an answer may have.
        temperature: 0 always takes the most likely token; above, tokens are drawn.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, max_new_tokens: int, temperature: float
    ) -> None:
        from sanetune.engine.generate import Decoding, stop_ids

        self.model, self.tokenizer = model, tokenizer
        self.messages: list[Message] = []
        self._decoding = Decoding(max_new_tokens=max_new_tokens, temperature=temperature)
        given = model.generation_config.eos_token_id
        self._stops = stop_ids(tokenizer, given if isinstance(given, list) else [given] if given is not None else [])

    def restart(self) -> None:
        """Forget the conversation so far."""
        self.messages = []

    def ask(self, question: str) -> Generator[str]:
        """Yield the answer to ``question`` in pieces; close the iterator to stop it. What was written is kept."""
        from sanetune.engine.generate import stream

        self.messages.append({"role": "user", "content": question})
        text = ""
        try:
            for piece in stream(
                self.model,
                self.tokenizer,
                self.messages,
                decoding=self._decoding,
                stop_token_ids=self._stops,
            ):
                text += piece
                yield piece
        finally:
            self.messages.append({"role": "assistant", "content": text})
