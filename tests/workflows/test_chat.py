"""A conversation keeps what was said, also where an answer was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.workflows.chat import Chat


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Chat:
    """With a model that says how many messages it was given, in two pieces."""

    def stream(model: Any, tokenizer: Any, messages: list[Any], **how: Any) -> Iterator[str]:
        yield f"{len(messages)} "
        yield "messages"

    monkeypatch.setattr("sanetune.engine.generate.stream", stream)
    model: Any = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=[2]))
    tokenizer: Any = SimpleNamespace(eos_token_id=3)
    return Chat(model, tokenizer, max_new_tokens=8, temperature=0.0)


def test_each_answer_has_the_conversation_so_far_as_its_context(chat: Chat) -> None:
    assert "".join(chat.ask("Hello?")) == "1 messages"
    assert "".join(chat.ask("And now?")) == "3 messages"
    assert [message["role"] for message in chat.messages] == ["user", "assistant"] * 2
    chat.restart()
    assert "".join(chat.ask("Anew?")) == "1 messages"


def test_of_a_stopped_answer_what_was_written_is_kept(chat: Chat) -> None:
    pieces = chat.ask("Hello?")
    next(pieces)
    pieces.close()
    assert chat.messages[-1] == {"role": "assistant", "content": "1 "}
