"""Collect rows that the chat template refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sanetune.errors import Place, TemplateError

KEPT = 1_000
"""Refused rows whose errors are kept; the others are only counted."""


@dataclass(slots=True)
class Refusals:
    """Rows that the template cannot render, or in which the turns cannot be found.

    Attributes:
        count: How many rows there are.
        first: The errors of the first of them, at most :data:`KEPT`, each with its place.
    """

    count: int = 0
    first: list[TemplateError] = field(default_factory=list)

    def add(self, errors: Sequence[TemplateError]) -> None:
        """Count ``errors``, one per row, and keep the first ones."""
        self.count += len(errors)
        self.first.extend(errors[: KEPT - len(self.first)])

    def raise_if_any(self, rows: int) -> None:
        """Raise :class:`RefusedError` where there are any among ``rows`` conversations."""
        if not self.count:
            return
        first = self.first[0]
        others = "; ".join(str(error.place) for error in self.first[1:3])
        more = f" ({self.count:,} of {rows:,} rows are refused; the next: {others})" if self.count > 1 else ""
        raise RefusedError(first.message + more, first.rationale, first.remedy, first.place, self)


class RefusedError(TemplateError):
    """The template refuses rows; ``refusals`` holds all of them."""

    def __init__(
        self,
        message: str,
        rationale: str = "",
        remedy: str = "",
        place: Place | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        super().__init__(message, rationale, remedy, place)
        self.refusals = refusals or Refusals()
