"""Micro-batches of the user's own, drawn one after the other for the whole run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from sanetune.engine.batches import Batch, on_device

if TYPE_CHECKING:
    import torch


class OwnBatches(Iterator[Batch]):
    """The micro-batches of ``batches`` on ``device``, begun again whenever they end; a generator gives each once.

    Example:
        >>> import torch
        >>> own = OwnBatches([{"labels": torch.tensor([k])} for k in range(3)], torch.device("cpu"))
        >>> own.go_on_behind(2)
        >>> [int(next(own)["labels"]) for _ in range(3)]
        [2, 0, 1]

    Attributes:
        drawn: How many were drawn, those that were skipped included.
    """

    def __init__(self, batches: Iterable[Batch], device: torch.device) -> None:
        self._batches, self._device = _over_and_over(batches), device
        self.drawn = 0

    def __next__(self) -> Batch:
        batch = next(self._batches)
        self.drawn += 1
        return on_device(dict(batch), self._device)

    def go_on_behind(self, count: int) -> None:
        """Skip what is left of the first ``count``, as a resumed run does."""
        self.drawn += sum(1 for _ in islice(self._batches, max(0, count - self.drawn)))


def _over_and_over(batches: Iterable[Batch]) -> Iterator[Batch]:
    empty = False
    while not empty:
        empty = True
        for batch in batches:
            empty = False
            yield batch
