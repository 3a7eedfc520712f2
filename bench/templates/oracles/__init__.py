"""What programs other than ours make of a conversation: token ids, and which of them a model should learn.

Each module has ``NAME``, the package that it needs, and ``families(sources, tokenizers, folder)``: pairs of a
:class:`Family` for every template that the package renders too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from bench.templates.sources import Source

Sample = tuple[list[int], list[bool]]
"""Token ids of a conversation, and whether each is in the loss."""


@dataclass(frozen=True, slots=True)
class Family:
    """A template that another program renders too.

    Attributes:
        source: The template.
        tokenizer: With the tokens of that family.
        render: Makes a row (``messages``, ``tools``) of a kind of conversation; None where the program refuses it.
    """

    source: Source
    tokenizer: PreTrainedTokenizerFast
    render: Callable[[dict[str, Any], str], Sample | None]


def turns(messages: list[dict[str, Any]], only_last: bool) -> list[int]:
    """The places of the assistant's messages that are learned."""
    places = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    return places[-1:] if only_last else places
