"""The batches of a built trainer, read without leaving a trace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from sanetune.evidence.detached import copied, detached, reading_copies
from sanetune.evidence.registry import MissingError
from sanetune.rng import kept_random_states

if TYPE_CHECKING:
    import torch
    from transformers import Trainer

    Batch: TypeAlias = dict[str, torch.Tensor]

STREAMED = 10_000
"""Batches read of a data set whose length is unknown."""


@contextlib.contextmanager
def untouched(trainer: Trainer) -> Iterator[None]:
    """Random states (Python, NumPy, torch, CUDA) and the accelerator's dataloaders are put back at the end."""
    accelerator = getattr(trainer, "accelerator", None)
    loaders = list(getattr(accelerator, "_dataloaders", ()))
    kept = dict(getattr(trainer, "_eval_dataloaders", None) or {})
    try:
        with kept_random_states():
            yield
    finally:
        if accelerator is not None:
            accelerator._dataloaders[:] = loaders
        if hasattr(trainer, "_eval_dataloaders"):
            trainer._eval_dataloaders = kept


@contextlib.contextmanager
def train_batches(trainer: Trainer) -> Iterator[Iterable[Batch]]:
    """The batches of the trainer's own training dataloader, whoever has written it.

    Raises:
        MissingError: There are none, or they could be read only once.
    """
    own = _overrides(trainer, "get_train_dataloader")
    if trainer.train_dataset is None and not own:
        raise MissingError("the trainer has no train_dataset")
    with untouched(trainer), reading_copies(trainer):
        loader = trainer.get_train_dataloader()
        if not own:
            yield loader
            return
        _require_readable_again(loader, trainer.train_dataset)
        with _at_rest(loader):
            yield loader


def _overrides(trainer: Trainer, method: str) -> bool:
    """Whether ``method`` is neither transformers' nor TRL's."""
    found = getattr(trainer, method)
    home = getattr(getattr(found, "__func__", found), "__module__", "") or ""
    return home.partition(".")[0] not in ("transformers", "trl")


def has_own_loss(trainer: Trainer) -> bool:
    """Whether the loss is computed by the user's own code, for which labels are not the last word."""
    return _overrides(trainer, "compute_loss") or getattr(trainer, "compute_loss_func", None) is not None


def _require_readable_again(loader: Iterable[Batch], rows: object) -> None:
    import datasets
    from torch.utils.data import IterableDataset

    if hasattr(loader, "__next__"):
        raise MissingError("get_train_dataloader gives an iterator: what is read here would be missing in training")
    inner = getattr(loader, "dataset", None)
    if isinstance(inner, IterableDataset) and inner is not rows and not isinstance(inner, datasets.IterableDataset):
        raise MissingError(
            "get_train_dataloader reads a stream of its own: what is read here would be missing in training"
        )


@contextlib.contextmanager
def _at_rest(loader: Iterable[Batch]) -> Iterator[None]:
    """Put back what reading moves in a loader that training uses again: generators, its collator, its data set."""
    import torch
    from torch.utils.data import DataLoader

    holders = [loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)]
    holders.append(getattr(holders[-1], "sampler", None))
    generators = [found for one in holders if isinstance(found := getattr(one, "generator", None), torch.Generator)]
    states = [one.get_state() for one in generators]
    parts = {"collate_fn": copied, "dataset": detached} if isinstance(loader, DataLoader) else {}
    own = {name: getattr(loader, name) for name in parts}
    try:
        for name, copy in parts.items():
            with contextlib.suppress(Exception):  # a collator that cannot be copied is read as it is
                object.__setattr__(loader, name, copy(own[name]))  # DataLoader refuses to change its data set
        yield
    finally:
        for name, value in own.items():
            object.__setattr__(loader, name, value)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def batches_of_the_run(trainer: Trainer) -> int | None:
    """How many training batches the run reads on this process; None: whole epochs."""
    args = trainer.args
    if args.max_steps > 0:
        return int(args.max_steps) * int(args.gradient_accumulation_steps)
    sized = trainer.train_dataset is None or hasattr(trainer.train_dataset, "__len__")
    return None if sized else STREAMED


def rows_of_the_run(trainer: Trainer) -> int | None:
    """How many training rows the run reads; None: all of them."""
    most = batches_of_the_run(trainer)
    if most is None or hasattr(trainer.train_dataset, "__len__"):
        return None
    return most * int(trainer.args.train_batch_size) * max(1, int(trainer.args.world_size))
