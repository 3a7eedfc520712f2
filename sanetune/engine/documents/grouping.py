"""The micro-batches of one step, put together so that rows that begin alike are in the same one.

The rows of a step stay the same, and so do its loss and its gradient.

Shapes: B rows of a micro-batch, T tokens of its longest row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from sanetune.data.collator import Collator
from sanetune.engine.batches import Batch, on_device
from sanetune.engine.documents.layout import has_padded_rows
from sanetune.engine.documents.tree import FEWEST, prefix_tree

Rows = list[dict[str, list[int]]]


def grouped(batches: Sequence[Batch], pad_token_id: int) -> list[Batch]:
    """Return the rows of ``batches`` in as many micro-batches of as many rows, those that begin alike together.

    Packs, batches that are laid out in another way than padded on the right, and rows of which fewer would not be
    computed stay where they are.

    Args:
        batches: All micro-batches of one step, with padded rows (B, T each).
        pad_token_id: The id of the padding.
    """
    if len(batches) < 2 or not all(map(has_padded_rows, batches)):
        return list(batches)
    before = [_rows(batch) for batch in batches]
    keys = {id(row): np.asarray(row["input_ids"], dtype=">u8").tobytes() for rows in before for row in rows}
    ordered = sorted((row for rows in before for row in rows), key=lambda row: keys[id(row)])
    edges = [0, *accumulate(len(rows) for rows in before)]
    after = [ordered[low:high] for low, high in pairwise(edges)]
    if sum(map(_computed, after)) >= sum(map(_computed, before)):
        return list(batches)
    device = batches[0]["input_ids"].device
    return [on_device(Collator(pad_token_id)(rows), device) for rows in after]


def _rows(batch: Batch) -> Rows:
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    ids, labels = batch["input_ids"].tolist(), batch["labels"].tolist()
    return [
        {"input_ids": some[:length], "labels": other[:length]}
        for some, other, length in zip(ids, labels, lengths, strict=True)
    ]


def _computed(rows: Rows) -> int:
    """Return how many tokens are computed for ``rows``."""
    return len(prefix_tree([row["input_ids"] for row in rows], FEWEST).ids)
