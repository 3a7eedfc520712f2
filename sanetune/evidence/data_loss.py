"""What preparation refused, left out or cut."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.errors import Place
from sanetune.finding import Witness

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.errors import TemplateError

SHOWN = 5


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """``count`` of ``rows`` that the template refuses, and the first errors with their places."""

    rows: int
    count: int
    errors: list[TemplateError]


@dataclass(frozen=True, slots=True)
class DataLoss:
    """``given``: rows there were; ``rows`` of them were dropped or cut, for ``reasons``, and ``tokens`` went with
    them. ``longest``: tokens of the longest of them; witnesses are those that lost most."""

    given: int
    rows: int = 0
    tokens: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    longest: int = 0
    max_length: int | None = None
    witnesses: list[Witness] = field(default_factory=list)

    @classmethod
    def of(cls, prepared: Prepared) -> DataLoss:
        """Out of the preparation's own list. Rows refused by the template are counted by another check."""
        lost = prepared.lost
        worst = sorted(lost, key=lambda one: -one["tokens_lost"])[:SHOWN]
        return cls(
            given=int(prepared.stats["rows"]) - prepared.refused_count,
            rows=len(lost),
            tokens=sum(one["tokens_lost"] for one in lost),
            reasons=Counter(one["reason"] for one in lost),
            longest=max((one["tokens"] for one in lost), default=0),
            max_length=prepared.max_length,
            witnesses=[
                Witness(
                    f"{one['tokens']:,} tokens",
                    Place(one["file"], one["line"], one["row"]),
                    f"{one['reason']}: {one['tokens_lost']:,} tokens lost",
                    split=one["split"],
                )
                for one in worst
            ],
        )
