"""The order in which rows are trained on, as a function of seed and epoch alone.

A resumed run sees the same order, and several processes see that of one: blank rows fill up their last step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import torch
from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import RandomSampler, Sampler
from transformers.trainer_pt_utils import BatchRebalanceSampler, get_length_grouped_indices

from sanetune.engine.batches import filled_up

if TYPE_CHECKING:
    import datasets
    from trl import SFTConfig


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


class FilledUp(Sampler[int]):
    """An order of rows, and blank ones behind it.

    Args:
        order: Of the rows.
        blank: Numbers of the blank rows.
    """

    def __init__(self, order: Sampler[int], blank: range) -> None:
        self.order, self.blank = order, blank

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate's loader before each epoch."""
        if hasattr(self.order, "set_epoch"):
            self.order.set_epoch(epoch)

    def __len__(self) -> int:
        return self.blank.stop

    def __iter__(self) -> Iterator[int]:
        return chain(self.order, self.blank)


def with_blank_rows(
    rows: datasets.Dataset, order: Sampler[int], arguments: SFTConfig
) -> tuple[datasets.Dataset, Sampler[int]]:
    """Return ``rows`` and their ``order`` with blank rows at the end, so that several processes have full batches.

    accelerate would give out rows of the epoch's beginning again, and the last step would not be that of one process.
    """
    if arguments.world_size == 1 or arguments.dataloader_drop_last or isinstance(order, BatchRebalanceSampler):
        return rows, order
    processes = 1 if arguments.accelerator_config.split_batches else arguments.world_size
    filled = filled_up(rows, arguments.train_batch_size * processes)
    if type(order) is RandomSampler:
        # accelerate makes this of the ones that it sees.
        order = SeedableRandomSampler(rows, data_seed=arguments.data_seed)
    return filled, FilledUp(order, range(len(rows), len(filled)))
