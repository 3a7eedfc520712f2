"""What a model wrote in answer to a prompt, importable without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote.

    Attributes:
        text: Without special tokens.
        ended: Whether it stopped by itself, with a stop token.
        tokens: How many it wrote, the stop token included.
        note: Why there is no answer, where there is none.
        raw: The text with special tokens, up to the stop token.
    """

    text: str
    ended: bool
    tokens: int
    note: str = ""
    raw: str = ""
