"""Which batches can be read as documents: those that are laid out as :class:`sanetune.data.collator.Collator` does it.

Anything else (padding on the left, a mask with holes, columns that a model may use in a way of its own) is computed as
it is. Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.data.labels import IGNORE_INDEX

if TYPE_CHECKING:
    from torch import Tensor

    from sanetune.engine.batches import Batch

ROWS = {"input_ids", "labels", "attention_mask"}
PACKS = {"input_ids", "labels", "position_ids"}


def has_padded_rows(batch: Batch) -> bool:
    """Return whether ``batch`` has rows that are padded on the right, no label in their padding, and nothing else."""
    if set(batch) != ROWS or not _equally_large(batch):
        return False
    real = batch["attention_mask"] == 1
    falling = bool((real[:, 1:] <= real[:, :-1]).all())
    return falling and bool(
        (real | (batch["attention_mask"] == 0)).all() and (real | (batch["labels"] == IGNORE_INDEX)).all()
    )


def has_packs(batch: Batch) -> bool:
    """Return whether ``batch`` has rows of documents, the positions of each counted from 0, and nothing else."""
    if set(batch) != PACKS or not _equally_large(batch):
        return False
    places = batch["position_ids"]
    counted: Tensor = (places[:, 1:] == 0) | (places[:, 1:] == places[:, :-1] + 1)
    return bool((places[:, 0] == 0).all() and counted.all())


def has_plain_rows(batch: Batch) -> bool:
    """Return whether ``batch`` has rows without any padding, and nothing else."""
    return set(batch) == {"input_ids", "labels"} and _equally_large(batch)


def _equally_large(batch: Batch) -> bool:
    shape = batch["input_ids"].shape
    return len(shape) == 2 and shape[1] > 0 and all(column.shape == shape for column in batch.values())
