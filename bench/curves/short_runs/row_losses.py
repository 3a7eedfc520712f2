"""The loss of single rows, and how far two of them are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MASKED = -100
Tokens = tuple[list[int], list[int]]
"""Token ids and labels of a row."""
WORSE = 0.05
"""From here on a loss on unseen rows is worse or better: more than most choices of a learning rate are worth."""
SURE = 2.0
"""Standard errors of the difference, rows compared in pairs."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher the loss on the same rows is, as a share, and that in standard errors."""

    share: float
    sure: float

    @property
    def higher(self) -> bool:
        """Whether it is."""
        return self.share >= WORSE and self.sure >= SURE

    @property
    def undecided(self) -> bool:
        """Whether it may be higher, and the rows are too few to know."""
        return self.share >= WORSE and self.sure < SURE

    @property
    def lower(self) -> bool:
        """Whether it is lower."""
        return self.share <= -WORSE and self.sure <= -SURE


@dataclass(frozen=True, slots=True)
class RowLosses:
    """Sums of the rows in nats, and their tokens."""

    sums: Any
    tokens: Any

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.tokens.sum())

    def above(self, other: RowLosses) -> Difference:
        """How much higher than ``other``; the error is that of a ratio estimate over rows (Cochran, 1977)."""
        difference = self.sums - other.sums
        mean = difference.sum() / self.tokens.sum()
        rest = difference - mean * self.tokens
        count = len(rest)
        error = math.sqrt(float((rest**2).sum()) * count / (count - 1)) / float(self.tokens.sum())
        sure = float(mean) / error if error else 0.0
        return Difference(rounded(float(mean) / other.mean), rounded(sure))


def padded(batch: Sequence[Tokens]) -> tuple[Any, Any]:
    """``ids_BT`` and ``labels_BT`` of some rows, filled up on the right."""
    import torch

    longest = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([one + [0] * (longest - len(one)) for one, _ in batch])
    return ids, torch.tensor([one + [MASKED] * (longest - len(one)) for _, one in batch])


def losses(model: Any, rows: list[Tokens]) -> RowLosses:
    """The loss of each row."""
    import torch

    ids, labels = padded(rows)
    was = model.training
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=ids).logits[:, :-1]
    model.train(was)
    each = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), labels[:, 1:], ignore_index=MASKED, reduction="none"
    )
    return RowLosses(each.sum(1).double(), (labels[:, 1:] != MASKED).sum(1).double())


def rounded(value: float) -> float:
    """The value with four significant digits."""
    return float(f"{value:.4g}")
