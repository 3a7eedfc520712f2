"""Hold what preparation refused, dropped or truncated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.errors import Place
from sanetune.finding import MOST_WITNESSES, Witness

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.errors import TemplateError


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """``count`` of ``rows`` that the template refuses, and the first errors with their places."""

    rows: int
    count: int
    errors: list[TemplateError]


@dataclass(frozen=True, slots=True)
class DataLoss:
    """What was dropped or truncated on the way from the file to the examples.

    Attributes:
        given: Rows there were, without those that the template refuses.
        rows: How many of them were dropped or truncated.
        tokens: Their tokens that are not trained on.
        reasons: Rows by reason.
        longest: Tokens of the longest of them.
        max_length: Tokens up to which an example is kept.
        witnesses: Those with the most tokens dropped.
    """

    given: int
    rows: int = 0
    tokens: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    longest: int = 0
    max_length: int | None = None
    witnesses: list[Witness] = field(default_factory=list)

    @classmethod
    def of(cls, prepared: Prepared) -> DataLoss:
        """Return what the preparation has noted. Rows refused by the template are counted by another check."""
        incomplete = [*prepared.dropped, *prepared.truncated]
        worst = sorted(incomplete, key=lambda row: -row.tokens_dropped)[:MOST_WITNESSES]
        return cls(
            given=int(prepared.stats["rows"]) - prepared.refused_count,
            rows=len(incomplete),
            tokens=sum(row.tokens_dropped for row in incomplete),
            reasons=Counter(row.reason for row in incomplete),
            longest=max((row.tokens for row in incomplete), default=0),
            max_length=prepared.max_length,
            witnesses=[
                Witness(
                    f"{row.tokens:,} tokens",
                    Place(row.file, row.line, row.row),
                    f"{row.reason}: {row.tokens_dropped:,} tokens dropped",
                    split=row.split,
                )
                for row in worst
            ],
        )
