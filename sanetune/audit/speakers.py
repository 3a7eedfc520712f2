"""Who wrote each token: the independent route to the labels.

The data's own masks come from marks that are put around the texts before rendering. Here nothing is marked: a
conversation is rendered plainly, each message's text is looked for in it from left to right, and the characters found
are carried to tokens. Where the two routes differ, one of them is wrong, and training should wait.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from sanetune.finding import Witness

if TYPE_CHECKING:
    import numpy as np


class Who(IntEnum):
    """Who wrote a token. TEMPLATE: headers and what stands between turns; END: the token that ends an assistant turn;
    ASSISTANT: reply, reasoning and tool calls; TEXT: plain text without turns."""

    TEMPLATE = 0
    SYSTEM = 1
    USER = 2
    ASSISTANT = 3
    TOOL = 4
    END = 5
    TEXT = 6
    UNKNOWN = 7


@dataclass(frozen=True, slots=True)
class Spoken:
    """One example's tokens: ``who_T`` (values of :class:`Who`) and ``wanted_T`` (True where the declared intent learns
    the token)."""

    who_T: np.ndarray  # noqa: N815 -- shape suffix
    wanted_T: np.ndarray  # noqa: N815


@dataclass(slots=True)
class Lost:
    """Texts of messages that do not survive rendering: how often by (role, field), and some of them."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    witnesses: list[Witness] = field(default_factory=list)
