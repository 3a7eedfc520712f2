"""The sizes of a batch, and a forward pass on them alone: for the memory of steps that nobody has made.

Shapes: B rows of a batch, T tokens of its longest row, K places whose logits are kept, N tokens in the loss,
V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sanetune.data.labels import IGNORE_INDEX

if TYPE_CHECKING:
    from torch import Tensor

    from sanetune.engine.batches import Batch


@dataclass(frozen=True, slots=True)
class BatchShape:
    """The sizes of a batch that its memory depends on.

    Attributes:
        rows: B.
        row_tokens: T.
        kept: K, the places before a token in the loss of any row, and those tokens.
        loss_tokens: N.
        masked: Whether attention gets a mask of (B, 1, T, T): rows are padded, or packs without FlashAttention.
    """

    rows: int
    row_tokens: int
    kept: int
    loss_tokens: int
    masked: bool

    @classmethod
    def of(cls, batch: Batch, *, flash: bool = False) -> BatchShape:
        """Return the sizes of a real ``batch``; ``flash``: attention tells documents of a pack apart without a mask."""
        import torch

        labels = batch["labels"]
        counted = labels[:, 1:] != IGNORE_INDEX
        some = counted.any(dim=0)
        needed = torch.zeros(labels.shape[1], dtype=torch.bool)
        needed[:-1] |= some
        needed[1:] |= some
        mask = batch.get("attention_mask")
        padded = mask is not None and not bool(mask.all())
        packed = "position_ids" in batch and not flash
        rows, row_tokens = labels.shape
        return cls(rows, row_tokens, int(needed.sum()), int(counted.sum()), padded or packed)

    def inputs(self) -> dict[str, Any]:
        """Return what a model's forward gets of such a batch, without labels."""
        import torch

        inputs: dict[str, Any] = {"input_ids": torch.zeros(self.rows, self.row_tokens, dtype=torch.long)}
        if self.masked:
            inputs["attention_mask"] = torch.ones(self.rows, 1, self.row_tokens, self.row_tokens, dtype=torch.bool)
        return inputs | {"use_cache": False}

    def loss_places(self) -> Tensor:
        """Return numbers of N places; which ones makes no difference to the memory."""
        import torch

        return torch.zeros(self.loss_tokens, dtype=torch.long)
