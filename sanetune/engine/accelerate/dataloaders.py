"""The batches of an epoch, in the order of transformers' trainer: a function of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import DataLoader, RandomSampler, Sampler, SequentialSampler
from transformers.trainer_utils import seed_worker

from sanetune.engine.batches import Batch, Collate, training_columns
from sanetune.engine.building import has_validation
from sanetune.engine.sampler import LengthGrouped, with_blank_rows
from sanetune.engine.validation_sets import by_source, sets_of

if TYPE_CHECKING:
    import datasets
    from trl import SFTConfig

    from sanetune.data.prepare import Prepared

GROUPED = "group_by_length"


def train_rows(prepared: Prepared, arguments: SFTConfig) -> datasets.Dataset:
    """Return the training rows with the columns that the loop needs, the row's number among them."""
    return training_columns(prepared.train, lengths=arguments.train_sampling_strategy == GROUPED, numbers=True)


def validation_rows(prepared: Prepared, arguments: SFTConfig) -> dict[str, datasets.Dataset]:
    """Return the validation rows by source, or under an empty name where there is one; empty where there are none."""
    if not has_validation(prepared):
        return {}
    return by_source(training_columns(prepared.validation, lengths=False, numbers=True), sets_of(prepared), arguments)


def train_loader(
    rows: datasets.Dataset, collate: Collate, arguments: SFTConfig, *, divided: bool = True
) -> DataLoader[Batch]:
    """Return the training batches.

    Args:
        rows: The training rows.
        collate: Makes a batch of rows.
        arguments: The run's settings.
        divided: Whether accelerate is to divide them among the processes.
    """
    seeded = partial(seed_worker, num_workers=arguments.dataloader_num_workers, rank=arguments.process_index)
    sampler, drop = sampler_of(rows, arguments), arguments.dataloader_drop_last
    if divided:
        rows, sampler = with_blank_rows(rows, sampler, arguments)
    return _loader(rows, collate, arguments, arguments.train_batch_size, sampler, seeded, drop)


def validation_loader(rows: datasets.Dataset, collate: Collate, arguments: SFTConfig) -> DataLoader[Batch]:
    """Return the validation batches, in the order of the rows."""
    return _loader(rows, collate, arguments, arguments.eval_batch_size, SequentialSampler(rows), None, False)


def sampler_of(rows: datasets.Dataset, arguments: SFTConfig, *, seedable: bool = False) -> Sampler[int]:
    """Return the order of the training rows.

    Args:
        rows: The training rows.
        arguments: The run's settings.
        seedable: Whether a random order depends on seed and epoch alone. Otherwise accelerate replaces it by that one.
    """
    seed = arguments.seed if arguments.data_seed is None else arguments.data_seed
    match arguments.train_sampling_strategy:
        case "sequential":
            return SequentialSampler(rows)
        case "group_by_length":
            together = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
            return LengthGrouped(list(rows["length"]), together, seed)
    return SeedableRandomSampler(rows, data_seed=arguments.data_seed) if seedable else RandomSampler(rows)


def _loader(
    rows: datasets.Dataset,
    collate: Collate,
    arguments: SFTConfig,
    size: int,
    sampler: Sampler[int],
    seeded: Callable[[int], None] | None,
    drop_last: bool,
) -> DataLoader[Batch]:
    return DataLoader(
        rows,
        batch_size=size,
        sampler=sampler,
        drop_last=drop_last,
        worker_init_fn=seeded,
        collate_fn=collate,
        num_workers=arguments.dataloader_num_workers,
        pin_memory=arguments.dataloader_pin_memory and torch.cuda.is_available(),
        persistent_workers=arguments.dataloader_persistent_workers,
        multiprocessing_context=arguments.dataloader_multiprocessing_context,
        prefetch_factor=arguments.dataloader_prefetch_factor,
        in_order=arguments.dataloader_in_order,
    )
