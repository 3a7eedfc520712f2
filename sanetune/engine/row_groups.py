"""The losses of validation rows in groups: with them two evaluations are compared in pairs.

Rows differ far more from each other than a row does between two evaluations, so pairs tell a rise from chance where
two means cannot. A run keeps at most :data:`GROUPS` sums for each evaluation, however many rows it has. A row's number
in the validation split decides its group, so that a group has the same rows each time, whatever processes, batches and
order they come in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sanetune.curves.logs.entries import evaluation
from sanetune.curves.series import Evaluation

if TYPE_CHECKING:
    from sanetune.engine.followed_loop import FollowedLoop

GROUPS = 64
"""Groups at most. Student's t of 63 degrees of freedom is 2 % above that of endlessly many, and a line of
``metrics.jsonl`` stays near one kilobyte."""
DIGITS = 7
"""Significant digits that are kept of a sum, those of the losses that it is made of (float32)."""


@dataclass(slots=True)
class RowGroups:
    """Sums over groups of validation rows: the rows are dealt out to the groups by their numbers.

    >>> groups = RowGroups()
    >>> groups.add([0, 1], [6.0, 4.0], [3, 2])
    >>> groups.mean, groups.count, groups.known()
    (2.0, 5.0, ((6.0, 4.0), (3, 2)))

    Attributes:
        losses: Sum of each group over its tokens in the loss, in nats.
        tokens: Tokens in the loss of each group.
    """

    losses: list[float] = field(default_factory=lambda: [0.0] * GROUPS)
    tokens: list[float] = field(default_factory=lambda: [0.0] * GROUPS)

    def add(self, numbers: Sequence[int] | None, losses: Sequence[float], tokens: Sequence[float]) -> None:
        """Take rows: the number of each in the validation split, its loss in nats, and its tokens in the loss. Rows
        whose numbers are not known are one group."""
        for number, loss, count in zip(numbers or [0] * len(losses), losses, tokens, strict=True):
            self.losses[number % GROUPS] += loss
            self.tokens[number % GROUPS] += count

    def over(self, over_processes: Callable[[list[float]], list[float]]) -> RowGroups:
        """Return the sums of all processes, which ask together."""
        both = over_processes([*self.losses, *self.tokens])
        return RowGroups(losses=both[:GROUPS], tokens=both[GROUPS:])

    @classmethod
    def together(cls, several: Sequence[RowGroups]) -> RowGroups:
        """Return the sums over the rows of several sources."""
        return cls(
            losses=[sum(some) for some in zip(*(one.losses for one in several), strict=True)],
            tokens=[sum(some) for some in zip(*(one.tokens for one in several), strict=True)],
        )

    @property
    def mean(self) -> float:
        """The loss of all rows in nats per token in the loss; NaN where there is none."""
        return sum(self.losses) / self.count if self.count else math.nan

    @property
    def count(self) -> float:
        """Tokens in the loss of all rows."""
        return sum(self.tokens)

    def known(self) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """Return losses and tokens of the groups that have tokens in the loss."""
        there = [(loss, count) for loss, count in zip(self.losses, self.tokens, strict=True) if count]
        return tuple(float(f"{loss:.{DIGITS}g}") for loss, _ in there), tuple(int(count) for _, count in there)


def evaluation_of(loop: FollowedLoop, metrics: Mapping[str, object] | None) -> Evaluation | None:
    """Return the evaluation that ``loop`` has just made, with the losses of its groups; None: it has made none.

    Args:
        loop: Of the run.
        metrics: What it has published of it.
    """
    found = evaluation({**(metrics or {}), "step": loop.state.global_step})
    if found is None or loop.row_groups is None:
        return found
    sums, tokens = loop.row_groups.known()
    return replace(found, sums=sums, tokens=tokens)
