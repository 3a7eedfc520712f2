"""Make the tensors of a batch out of examples or packs.

Every engine uses this one collator, so labels are the same in all of them. Shapes: B rows of a batch, T tokens of the
longest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sanetune.data.labels import IGNORE_INDEX

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Collator:
    """Pads the rows of a batch on the right.

    Of examples it makes ``input_ids`` (B, T), ``attention_mask`` (B, T; 1 for real tokens) and ``labels`` (B, T; -100
    where masked). Padding is masked by its position, so a pad token that is also the EOS token never hides a real end.

    Of packs it makes ``position_ids`` (B, T) that restart with each document, and **no** attention mask: transformers
    builds a block-diagonal mask only without one (``masking_utils``, since 4.53). The padding is a document by itself.

    Attributes:
        pad_token_id: The id of the padding.
        packed: Whether rows are packs; they have ``seq_lengths``.
        flatten: Whether all packs of a batch become one row (1, sum of T), which FlashAttention's variable-length
            kernels need.
    """

    pad_token_id: int
    packed: bool = False
    flatten: bool = False

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        import torch

        if self.packed and self.flatten:
            rows = [_joined(rows)]
        width = max(len(row["input_ids"]) for row in rows)
        batch = {
            "input_ids": _padded([row["input_ids"] for row in rows], width, self.pad_token_id),
            "labels": _padded([row["labels"] for row in rows], width, IGNORE_INDEX),
        }
        if self.packed:
            batch["position_ids"] = [_positions(row["seq_lengths"], width) for row in rows]
        else:
            batch["attention_mask"] = _padded([[1] * len(row["input_ids"]) for row in rows], width, 0)
        return {name: torch.tensor(values, dtype=torch.long) for name, values in batch.items()}


def _joined(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: [item for row in rows for item in row[name]] for name in ("input_ids", "labels", "seq_lengths")}


def _padded(values: Sequence[Sequence[int]], width: int, pad: int) -> list[list[int]]:
    return [[*value, *[pad] * (width - len(value))] for value in values]


def _positions(seq_lengths: Sequence[int], width: int) -> list[int]:
    lengths = [*seq_lengths, width - sum(seq_lengths)]
    return [position for length in lengths for position in range(length)]
