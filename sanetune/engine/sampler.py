"""The order in which rows are trained on, as a function of seed and epoch alone, so that a resumed run sees the
same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


class LengthGrouped(Sampler[int]):
    """Rows of like length together, in a random order of groups (transformers' grouping, with its own generator).

    transformers draws from the global random state, whose value at the start of an epoch differs in a resumed run.

    Args:
        lengths: Tokens of each row.
        batch_size: Rows of a step, of all processes and micro-batches: the order depends on nothing else of how they
            are shared out.
        seed: With the epoch, decides the order.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = list(lengths), batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate's loader before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch)
        return iter(get_length_grouped_indices(self.lengths, self.batch_size, generator=generator))
