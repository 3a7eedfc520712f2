"""Answers of the base and of the model after its trial, to the same prompts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sanetune.data.conversation import Message
from sanetune.engine.generate import Answer


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt (``messages``, up to the answer), the ``reference`` answer of its row (None: a prompt of the user's
    own), and both models' greedy answers. ``number``: the row's number in ``split`` (None for own prompts)."""

    messages: list[Message]
    reference: str | None
    base: Answer
    tuned: Answer
    split: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Samples:
    """``most_tokens``: how many an answer may have; ``steps``: of training that the tuned answers come after;
    ``specials``: the tokenizer's special tokens as text; ``stops``: token ids that end an answer."""

    samples: list[Sample] = field(default_factory=list)
    most_tokens: int = 0
    steps: int = 0
    specials: tuple[str, ...] = ()
    stops: tuple[int, ...] = ()
    decoding: dict[str, Any] = field(default_factory=dict)
