"""Which rows a step of somebody's own trainer was made of, worked out from the order that its sampler gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import RandomSampler, SequentialSampler

if TYPE_CHECKING:
    from torch.utils.data import DataLoader
    from transformers import Trainer


class UnknownOrderError(Exception):
    """The order of the rows cannot be worked out; the message says why."""


def rows_of(trainer: Trainer, loader: DataLoader[Any] | None, step: int) -> list[int]:
    """Return the numbers in the training data set of the rows of optimizer step ``step`` (from 1), of all processes.

    Args:
        trainer: Somebody's own, while it trains.
        loader: Its training dataloader, as its callbacks get it.
        step: A step that it has made.

    Raises:
        UnknownOrderError: The sampler draws its order from a state that is gone.
    """
    per_step = trainer.args.train_batch_size * trainer.args.gradient_accumulation_steps * trainer.args.world_size
    dataset = trainer.train_dataset
    if loader is None or not hasattr(dataset, "__len__"):
        raise UnknownOrderError("the training data are a stream, whose rows have no numbers")
    accumulated = trainer.args.gradient_accumulation_steps
    epoch, place = divmod(step - 1, -(-len(loader) // accumulated))
    order = _order(loader, len(dataset), epoch)
    rows = order[place * per_step : (place + 1) * per_step]
    if not rows:
        raise UnknownOrderError(f"step {step} is beyond the rows of its epoch")
    return rows


def _order(loader: DataLoader[Any] | None, count: int, epoch: int) -> list[int]:
    from accelerate.data_loader import SeedableRandomSampler, get_sampler

    sampler = get_sampler(loader)
    if type(sampler) is SequentialSampler:
        return list(range(count))
    if type(sampler) is SeedableRandomSampler and not sampler.replacement:
        # As the sampler does it: its seed and the epoch are all that decides.
        generator = torch.Generator()
        generator.manual_seed(sampler.initial_seed + epoch)
        return list(RandomSampler(range(count), generator=generator))
    raise UnknownOrderError(f"{type(sampler).__name__} draws its order from a random state that is gone")
