"""Tokens of an example in stretches of one role that are all learnt or all masked, long examples less their middle."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sanetune.data.labels import IGNORE_INDEX
from sanetune.report.html.view import ROLES, ExampleView, TokenView

LONGEST = 2_000
"""Tokens of one example that are shown; a longer one loses its middle."""
EXAMPLES = 60
"""Examples on one page."""
BUDGET = 20_000
"""Tokens on one page: about 60 bytes each."""
LONGEST_TOKEN = 80
"""Characters of one token."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens from position ``first`` on. ``named``: its role is not that of the stretch before."""

    first: int
    role: str
    learnt: bool
    named: bool
    tokens: Sequence[TokenView]


@dataclass(frozen=True, slots=True)
class Shown:
    """An example as the page has it: ``parts`` are stretches, and how many tokens are left out between the two
    halves."""

    example: ExampleView
    anchor: str
    length: int
    learnt: int
    head: list[Stretch]
    left_out: int = 0
    tail: list[Stretch] = field(default_factory=list)


def shown(examples: Sequence[ExampleView]) -> list[Shown]:
    """The examples of a page, each with its share of the page's tokens."""
    some = examples[:EXAMPLES]
    longest = min(LONGEST, max(2, BUDGET // max(1, len(some))))
    if sum(min(len(example.tokens), LONGEST) for example in some) <= BUDGET:
        longest = LONGEST
    return [_shown(example, index, longest) for index, example in enumerate(some)]


def anchor(split: str | None, number: int | None) -> str:
    """The name by which a witness leads to its example; "" without a number."""
    return "" if number is None else f"example-{re.sub('[^A-Za-z0-9-]', '-', split or 'train')}-{number}"


def _shown(example: ExampleView, index: int, longest: int) -> Shown:
    tokens = example.tokens
    name = anchor(example.split, example.number) or f"example-at-{index}"
    learnt = sum(token.learnt for token in tokens)
    if len(tokens) <= longest:
        return Shown(example, name, len(tokens), learnt, _stretches(tokens, 0))
    half = longest // 2
    rest = len(tokens) - half
    tail = _stretches(tokens[rest:], rest)
    return Shown(example, name, len(tokens), learnt, _stretches(tokens[:half], 0), rest - half, tail)


def _stretches(tokens: Sequence[TokenView], first: int) -> list[Stretch]:
    found: list[Stretch] = []
    before = ""
    for (role, learnt), group in groupby(tokens, key=lambda token: (_role(token), token.learnt)):
        some = list(group)
        found.append(Stretch(first, role, learnt, role != before, some))
        first, before = first + len(some), role
    return found


def _role(token: TokenView) -> str:
    return token.role if token.role in ROLES else "unknown"


def label(token: TokenView) -> int | None:
    """A label that the page has to be told: neither masked nor the token's own id."""
    return None if token.label in (IGNORE_INDEX, token.id) else token.label
