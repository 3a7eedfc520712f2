"""What the page shows, as plain values: whoever makes a page fills these, and the page computes nothing about the
run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.data.labels import IGNORE_INDEX
from sanetune.finding import Report

if TYPE_CHECKING:
    from sanetune.gate.fixer import Round

ROLES = ("system", "user", "assistant", "tool", "template", "end", "text", "padding", "unknown")
"""Who may have written a token: the names of :class:`sanetune.evidence.token_roles.TokenRole`, and padding."""


@dataclass(frozen=True, slots=True)
class TokenView:
    """One token: its decoded text, its id, the label as trained (:data:`IGNORE_INDEX`: not learnt) and one of
    :data:`ROLES`."""

    text: str
    id: int
    label: int = IGNORE_INDEX
    role: str = "unknown"

    @property
    def learnt(self) -> bool:
        return self.label != IGNORE_INDEX


@dataclass(frozen=True, slots=True)
class ExampleView:
    """One example or pack, whole: the page leaves out the middle of a long one and says so.

    ``number`` is its number in ``split``, by which witnesses lead to it.
    """

    title: str
    place: str
    split: str
    tokens: Sequence[TokenView]
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Histogram:
    """Lengths in tokens before cutting: ``counts[i]`` rows are ``edges[i]`` to ``edges[i + 1] - 1`` long."""

    counts: Sequence[int]
    edges: Sequence[int]
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class PackView:
    """One pack: tokens of each document in their order, of ``capacity``; ``rows``: which rows they are."""

    documents: Sequence[int]
    capacity: int
    rows: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class SettingView:
    """One value of the configuration and where it came from: ``origin`` is its kind (``given``, ``override``,
    ``default``, ``inferred``, ``renamed``), ``reason`` the words for it, ``place`` file and line."""

    key: str
    value: str
    origin: str
    reason: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything on the page; what is empty is left out of it."""

    report: Report
    examples: Sequence[ExampleView] = ()
    histogram: Histogram | None = None
    packs: Sequence[PackView] = ()
    settings: Sequence[SettingView] = ()
    versions: dict[str, str] = field(default_factory=dict)
    title: str = "sanetune"
    gate: Sequence[str] = ()
    """Of a run: how it was cleared, or why it was not checked; then what was warned of."""
    rounds: Sequence[Round] = ()
    """Of a correction, this look the last."""
    proof_note: str = ""
    """When the report's proof was made, where that was not now."""
