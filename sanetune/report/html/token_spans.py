"""Tokens of an example as spans of one role, all in the loss or all masked, without the middle of a long example."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sanetune.data.labels import IGNORE_INDEX
from sanetune.report.html.view import ROLES, ExampleView, TokenView

LONGEST = 2_000
"""Tokens of one example that are shown; the middle of a longer one is left out."""
EXAMPLES = 60
"""Examples on one page."""
BUDGET = 20_000
"""Tokens on one page: about 60 bytes each."""
LONGEST_TOKEN = 80
"""Characters of one token."""


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """Neighbouring tokens of one role, all in the loss or all masked.

    Attributes:
        first: Position of the first token.
        role: Its role.
        in_loss: Whether the tokens are in the loss.
        named: Whether the role differs from that of the span before, so that it has to be named.
        tokens: The tokens.
    """

    first: int
    role: str
    in_loss: bool
    named: bool
    tokens: Sequence[TokenView]


@dataclass(frozen=True, slots=True)
class ShownExample:
    """An example as the page shows it.

    Attributes:
        example: The whole example.
        anchor: Its id, which links point to.
        length: Number of its tokens.
        in_loss: Number of its tokens in the loss.
        head: Its spans, or those of its first half.
        left_out: Number of tokens left out between the two halves.
        tail: The spans of its second half.
    """

    example: ExampleView
    anchor: str
    length: int
    in_loss: int
    head: list[TokenSpan]
    left_out: int = 0
    tail: list[TokenSpan] = field(default_factory=list)


def shown(examples: Sequence[ExampleView]) -> list[ShownExample]:
    """Return the examples of a page, shortened so that all of them together have at most :data:`BUDGET` tokens."""
    some = examples[:EXAMPLES]
    longest = min(LONGEST, max(2, BUDGET // max(1, len(some))))
    if sum(min(len(example.tokens), LONGEST) for example in some) <= BUDGET:
        longest = LONGEST
    return [_shown(example, index, longest) for index, example in enumerate(some)]


def anchor(split: str | None, number: int | None) -> str:
    """Return the id by which a witness links to its example; "" without a number.

    >>> anchor("train", 7)
    'example-train-7'

    Args:
        split: ``train`` or ``validation``; None: ``train``.
        number: Number of the example in its split, from 0.
    """
    return "" if number is None else f"example-{re.sub('[^A-Za-z0-9-]', '-', split or 'train')}-{number}"


def _shown(example: ExampleView, index: int, longest: int) -> ShownExample:
    tokens = example.tokens
    name = anchor(example.split, example.number) or f"example-at-{index}"
    in_loss = sum(token.in_loss for token in tokens)
    if len(tokens) <= longest:
        return ShownExample(example, name, len(tokens), in_loss, _spans(tokens, 0))
    half = longest // 2
    rest = len(tokens) - half
    tail = _spans(tokens[rest:], rest)
    return ShownExample(example, name, len(tokens), in_loss, _spans(tokens[:half], 0), rest - half, tail)


def _spans(tokens: Sequence[TokenView], first: int) -> list[TokenSpan]:
    found: list[TokenSpan] = []
    before = ""
    for (role, in_loss), group in groupby(tokens, key=lambda token: (_role(token), token.in_loss)):
        some = list(group)
        found.append(TokenSpan(first, role, in_loss, role != before, some))
        first, before = first + len(some), role
    return found


def _role(token: TokenView) -> str:
    return token.role if token.role in ROLES else "unknown"


def label(token: TokenView) -> int | None:
    """Return the token's label if the page has to show it: if it is neither masked nor the token's own id."""
    return None if token.label in (IGNORE_INDEX, token.id) else token.label
