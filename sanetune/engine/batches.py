"""Rows and batches as every engine has them: which columns are trained on, how they are collated and counted.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sanetune.data.labels import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

    import datasets
    import torch
    from torch import Tensor

Batch = dict[str, "Tensor"]
"""``input_ids`` and ``labels`` (B, T), with ``attention_mask`` (padded rows) or ``position_ids`` (packs)."""

Row = dict[str, Any]
"""``input_ids`` and ``labels``, equally long lists; ``seq_lengths`` too where it is a pack."""

Collate = Callable[[Sequence[Row]], Batch]


class TrainerBatch(dict[str, "Tensor"]):
    """What probes read of a batch that another trainer has made: the inputs of the model, and labels.

    Attributes:
        own: The batch as its trainer made it, with all that its loss may need; it is what steps are made on.
    """

    def __init__(self, read: Batch, own: dict[str, Any]) -> None:
        super().__init__(read)
        self.own = own


COLUMNS = ("input_ids", "labels", "seq_lengths")
"""The columns that are trained on."""
NUMBER = "number"
"""The column with the number of each row in its split, by which a step's rows are named afterwards."""
BLANK = -1
"""That of a row that only fills up: no label of it is in the loss."""
BLANK_TOKENS = 8
"""Tokens of such a row, at most: it costs little, and is longer than the convolutions of a Mamba reach."""


class Batches(Protocol):
    """One epoch of batches: how many, and the batches in their order."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


def collate_for(pad_token_id: int, attention: str = "") -> Collate:
    """Return the collator of every engine: padded rows, or packs where the rows carry ``seq_lengths``.

    Args:
        pad_token_id: Id that fills the rest of a row.
        attention: The model's attention implementation. FlashAttention tells documents apart by one row of positions,
            so packs are flattened for it.
    """
    from sanetune.data.collator import Collator

    padded = Collator(pad_token_id, packed=False)
    packed = Collator(pad_token_id, packed=True, flatten="flash" in attention)

    def collate(rows: Sequence[Row]) -> Batch:
        rows = [{key: value for key, value in row.items() if key in COLUMNS} for row in rows]
        return packed(rows) if "seq_lengths" in rows[0] else padded(rows)

    return collate


def training_columns(rows: datasets.Dataset, *, lengths: bool, numbers: bool = False) -> datasets.Dataset:
    """Return ``rows`` with the columns that training needs.

    Args:
        rows: Those of a split.
        lengths: Whether each has its ``length`` in tokens, too.
        numbers: Whether each has its number in the split (:data:`NUMBER`), too.
    """
    rows = rows.select_columns([name for name in COLUMNS if name in rows.column_names])
    if numbers:
        rows = rows.add_column(NUMBER, list(range(len(rows))))
    return rows.add_column("length", token_counts(rows)) if lengths else rows


def token_counts(rows: datasets.Dataset) -> list[int]:
    """Return the number of tokens of every row."""
    import pyarrow.compute as pc

    counts: list[int] = pc.list_value_length(rows.with_format("arrow")[:]["input_ids"]).to_pylist()
    return counts


def filled_up(rows: datasets.Dataset, multiple: int) -> datasets.Dataset:
    """Return ``rows`` with as many fully masked rows behind them as make their number a multiple of ``multiple``.

    Processes that train or evaluate together need equally many full batches. accelerate would repeat real rows to get
    there, and count them twice; the rows added here add no token to the loss.
    """
    short = -len(rows) % multiple
    if not short:
        return rows
    from datasets import Dataset, concatenate_datasets

    ids = rows[0]["input_ids"][:BLANK_TOKENS]
    values = {"input_ids": ids, "labels": [IGNORE_INDEX] * len(ids), "seq_lengths": [len(ids)]}
    values |= {NUMBER: BLANK, "length": len(ids)}
    blank = {name: [values[name]] * short for name in rows.column_names}
    return concatenate_datasets([rows, Dataset.from_dict(blank, features=rows.features)])


def take_numbers(batches: Sequence[Batch]) -> list[Tensor]:
    """Take :data:`NUMBER` out of ``batches`` (B, T each) and return it for each that has it, without blank rows."""
    numbers = [batch.pop(NUMBER) for batch in batches if NUMBER in batch]
    return [some[some != BLANK] for some in numbers]


def take_row_numbers(batch: Batch) -> list[int] | None:
    """Take :data:`NUMBER` out of ``batch`` (B, T) and return it of all B rows, blank ones too; None: they have none."""
    numbers = batch.pop(NUMBER, None)
    return None if numbers is None else [int(one) for one in numbers]


def loss_token_count(batch: Batch) -> int:
    """Return how many tokens of ``batch`` (B, T) the loss is a mean over; a row's first token is never predicted."""
    return int((batch["labels"][:, 1:] != IGNORE_INDEX).sum())


def real_token_count(batch: Batch, pad_token_id: int) -> Tensor:
    """Return how many tokens of ``batch`` (B, T) are not padding, as a scalar tensor on the batch's device.

    In packs, padding is a row's last document, all of it ``pad_token_id``. Blank rows are left out where the batch has
    the numbers of its rows.
    """
    import torch

    if NUMBER in batch and len(batch[NUMBER]) == len(batch["input_ids"]):
        kept = batch[NUMBER] != BLANK
        batch = {name: value[kept] for name, value in batch.items()}
    if "attention_mask" in batch:
        return batch["attention_mask"].sum()
    places = torch.arange(batch["input_ids"].shape[1], device=batch["input_ids"].device)
    starts = ((batch["position_ids"] == 0) * places).max(dim=1, keepdim=True).values
    last = places >= starts
    padding = last & ((batch["input_ids"] == pad_token_id) | ~last).all(dim=1, keepdim=True)
    return (~padding).sum()


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Return the tensors of ``batch`` on ``device``."""
    moved = {name: value.to(device) for name, value in batch.items()}
    return TrainerBatch(moved, batch.own) if isinstance(batch, TrainerBatch) else moved


def tensors_of(batch: Batch) -> Batch:
    """Return ``batch`` with its tensors alone; one of another trainer, which has nothing else, as it is."""
    if isinstance(batch, TrainerBatch):
        return batch
    return {name: value for name, value in batch.items() if hasattr(value, "to")}
