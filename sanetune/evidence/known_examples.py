"""The examples that a data set is known to have, to be recognised in batches by their ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sanetune.errors import Place
from sanetune.evidence.token_roles import digest

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True, slots=True)
class KnownExamples:
    """What is known of a data set beforehand.

    Attributes:
        size: How many examples it has.
        numbers: The digest of an example's ids -> the numbers of the examples that have these ids.
        place: Leads from such a number to the user's file.
    """

    size: int
    numbers: dict[int, list[int]]
    place: Callable[[int], Place | None] = lambda number: None

    @classmethod
    def of(cls, rows: datasets.Dataset, place: Callable[[int], Place | None] = lambda number: None) -> KnownExamples:
        """Return the examples of ``rows``: each document where they are packs with ``seq_lengths``."""
        import numpy as np

        numbers: dict[int, list[int]] = {}
        size = 0
        packed = "seq_lengths" in rows.column_names
        columns = ["input_ids", *(["seq_lengths"] if packed else [])]
        for batch in rows.select_columns(columns).with_format("numpy").iter(batch_size=256):
            for index, ids in enumerate(batch["input_ids"]):
                borders = np.cumsum([0, *batch["seq_lengths"][index]]) if packed else [0, len(ids)]
                for start, stop in pairwise(borders):
                    numbers.setdefault(digest(ids[start:stop]), []).append(size)
                    size += 1
        return cls(size, numbers, place)
