"""The content of the page as plain values: the page computes nothing about the run."""

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
    """One token: decoded text, id, label as trained (:data:`IGNORE_INDEX`: not in the loss) and one of
    :data:`ROLES`."""

    text: str
    id: int
    label: int = IGNORE_INDEX
    role: str = "unknown"

    @property
    def in_loss(self) -> bool:
        """Whether the token is in the loss."""
        return self.label != IGNORE_INDEX


@dataclass(frozen=True, slots=True)
class ExampleView:
    """One example or pack, whole: the page leaves out the middle of a long one and says so.

    ``number`` is its number in ``split``, by which witnesses link to it.
    """

    title: str
    place: str
    split: str
    tokens: Sequence[TokenView]
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Histogram:
    """Lengths in tokens before truncation: ``counts[i]`` rows have ``edges[i]`` to ``edges[i + 1] - 1`` tokens."""

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
    """One value of the configuration and where it came from.

    ``origin`` is the kind (``given``, ``override``, ``default``, ``inferred``, ``renamed``), ``reason`` an explanation,
    ``place`` file and line.
    """

    key: str
    value: str
    origin: str
    reason: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything on the page; parts that are empty are left out of it.

    Args:
        report: The findings.
        examples: Examples whose tokens are shown.
        histogram: Lengths of the rows.
        packs: The first packs.
        settings: Every value of the configuration.
        versions: Package -> version.
        title: Title of the page.
        gate: Of a run: how it was cleared, or why it was not checked; then the warnings.
        rounds: The rounds of ``--fix``, the last of which ``report`` is from.
        proof_note: When the results of the experiments were made, if not now.
    """

    report: Report
    examples: Sequence[ExampleView] = ()
    histogram: Histogram | None = None
    packs: Sequence[PackView] = ()
    settings: Sequence[SettingView] = ()
    versions: dict[str, str] = field(default_factory=dict)
    title: str = "sanetune"
    gate: Sequence[str] = ()
    rounds: Sequence[Round] = ()
    proof_note: str = ""
