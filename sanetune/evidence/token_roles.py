"""Who can have written a token, and whether the declared intent puts it in the loss.

Shapes: T tokens of an example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Ids: TypeAlias = np.ndarray | Sequence[int]
    """Token ids, in an array or a list."""

EITHER, OUTSIDE_LOSS, IN_LOSS = -1, 0, 1
"""What the declared intent says of a token. EITHER: tools differ for good reasons (white space after the end token,
what a template adds inside a turn)."""


class TokenRole(IntEnum):
    """Who wrote a token. TEMPLATE: headers and what is between turns; END: the token that ends an assistant turn;
    ASSISTANT: reply, reasoning and tool calls; TEXT: plain text without turns."""

    TEMPLATE = 0
    SYSTEM = 1
    USER = 2
    ASSISTANT = 3
    TOOL = 4
    END = 5
    TEXT = 6
    UNKNOWN = 7


NAMES = [role.name.lower() for role in TokenRole]
BY_ROLE = {
    "system": TokenRole.SYSTEM,
    "user": TokenRole.USER,
    "assistant": TokenRole.ASSISTANT,
    "tool": TokenRole.TOOL,
    "end": TokenRole.END,
}
"""The roles of spans (:mod:`sanetune.evidence.text_spans`)."""


@dataclass(frozen=True, slots=True)
class TokenRoles:
    """The roles of one example's tokens, and which of them the declared intent puts in the loss.

    Args:
        roles_T: Values of :class:`TokenRole`.
        expected_T: IN_LOSS, OUTSIDE_LOSS or EITHER.
        full_length: Number of its tokens before truncation.
        example: Its number in the split, where it is known.
    """

    roles_T: np.ndarray  # noqa: N815 -- shape suffix
    expected_T: np.ndarray  # noqa: N815
    full_length: int
    example: int | None = None


def digest(ids: Ids) -> int:
    """64 bits that equal token sequences share."""
    import numpy as np
    import xxhash

    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(ids, np.int32).tobytes())
