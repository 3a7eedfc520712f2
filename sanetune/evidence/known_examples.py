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
    import numpy as np


@dataclass(frozen=True, slots=True)
class KnownExamples:
    """What is known of a data set beforehand.

    Attributes:
        size: How many examples it has.
        numbers: The digest of an example's ids -> the numbers of the examples that have these ids.
        place: Leads from such a number to the user's file.
        row: Leads from such a number to the row of the data set, which is a pack where several share one.
        apart: Whether processes hold different rows, of which these are all.
    """

    size: int
    numbers: dict[int, list[int]]
    place: Callable[[int], Place | None] = lambda number: None
    row: Callable[[int], int] = lambda number: number
    apart: bool = False

    @classmethod
    def of(
        cls,
        rows: datasets.Dataset,
        place: Callable[[int], Place | None] = lambda number: None,
        pad: int | None = None,
        ends: frozenset[int] = frozenset(),
    ) -> KnownExamples:
        """Return the examples of ``rows``, without padding: each document where they are packs with ``seq_lengths``.

        Args:
            rows: A data set with ``input_ids``.
            place: Leads from an example's number to the user's file.
            pad: Id of the padding token, which rows may already hold.
            ends: Ids that end a text, of which padding may be one.
        """
        import numpy as np

        numbers: dict[int, list[int]] = {}
        row_of: list[int] = []
        names = ["input_ids", *(name for name in ("seq_lengths", "attention_mask") if name in rows.column_names)]
        for batch in rows.select_columns(names).with_format("numpy").iter(batch_size=256):
            for index, ids in enumerate(batch["input_ids"]):
                row = row_of[-1] + 1 if row_of else 0
                if "seq_lengths" in names:
                    borders = np.cumsum([0, *batch["seq_lengths"][index]])
                else:
                    mask = batch["attention_mask"][index] if "attention_mask" in names else None
                    ids = unpadded(ids, mask, pad, ends)
                    borders = np.array([0, len(ids)])
                for start, stop in pairwise(borders):
                    numbers.setdefault(digest(ids[start:stop]), []).append(len(row_of))
                    row_of.append(row)
        return cls(len(row_of), numbers, place, row_of.__getitem__)


def unpadded(ids: np.ndarray, mask: np.ndarray | None, pad: int | None, ends: frozenset[int]) -> np.ndarray:
    """The tokens of a row that may hold padding: those its attention mask keeps, else those that are no padding."""
    if mask is not None and len(mask) == len(ids) and not mask.all():
        kept: np.ndarray = ids[mask.astype(bool)]
        return kept
    start, stop = bare(ids, pad, ends)
    return ids[start:stop]


def bare(ids: np.ndarray, pad: int | None, ends: frozenset[int]) -> tuple[int, int]:
    """Where the text of a row begins and stops that is padded with ``pad``: half open.

    Where padding is also an end, one token of it stays behind the text.

    >>> import numpy as np
    >>> bare(np.array([0, 0, 7, 8, 0, 0]), 0, frozenset()), bare(np.array([7, 8, 0, 0]), 0, frozenset({0}))
    ((2, 4), (0, 3))
    """
    import numpy as np

    if pad is None or not len(ids) or (ids == pad).all():
        return 0, len(ids)
    before, behind = int(np.argmax(ids != pad)), int(np.argmax(ids[::-1] != pad))
    if pad in ends:
        before, behind = before if before > 1 else 0, max(0, behind - 1)
    return before, len(ids) - behind
