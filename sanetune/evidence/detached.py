"""Copies of data sets and collators that can be read without moving the originals on.

A data set may hold a random state, a counter or an iterator; reading it would give training other rows. Plain data is
shared between copy and original, so that a copy costs little memory.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, TypeVar

from sanetune.evidence.registry import MissingError

if TYPE_CHECKING:
    from transformers import Trainer

SHARED_FROM = 64
"""Length from which a list or mapping is taken to be data, which nobody changes, and is not copied."""
DEPTH = 4
"""Data sets inside data sets that are looked into for it."""

T = TypeVar("T")


def detached(rows: T) -> T:
    """Return ``rows``, or a copy of them where reading could change them.

    Raises:
        MissingError: They are a stream that cannot be copied: what is read of it would be lost to training.
    """
    import datasets
    from torch.utils.data import IterableDataset

    if rows is None or isinstance(rows, datasets.Dataset | datasets.IterableDataset | list | tuple):
        return rows
    try:
        return copied(rows)
    except Exception as error:  # noqa: BLE001 -- what a user's own class raises when it is copied
        if isinstance(rows, IterableDataset) or not hasattr(rows, "__getitem__"):
            raise MissingError(
                f"the rows are a stream that cannot be copied ({error}): what is read here would be missing in training"
            ) from None
        return rows


def copied(thing: T) -> T:
    """A deep copy that shares plain data, tokenizers and models with the original."""
    if isinstance(thing, FunctionType | BuiltinFunctionType | MethodType):
        return thing
    memo: dict[int, object] = {}
    _share(thing, memo, DEPTH)
    return copy.deepcopy(thing, memo)


def _share(thing: object, memo: dict[int, object], depth: int) -> None:
    import datasets
    import numpy as np
    import torch
    from transformers import PreTrainedTokenizerBase

    for value in vars(thing).values() if hasattr(thing, "__dict__") else ():
        whole = (np.ndarray, torch.Tensor, torch.nn.Module, PreTrainedTokenizerBase, datasets.Dataset, str, bytes)
        if isinstance(value, whole) or (isinstance(value, list | tuple | dict) and len(value) >= SHARED_FROM):
            memo[id(value)] = value
        elif isinstance(value, torch.utils.data.Dataset) and depth:
            _share(value, memo, depth - 1)


@contextmanager
def reading_copies(trainer: Trainer) -> Iterator[None]:
    """Give the trainer copies of its training rows and its collator while they are read, and its own back.

    Raises:
        MissingError: The rows cannot be read without being used up.
    """
    rows = trainer.train_dataset
    try:
        trainer.train_dataset = detached(rows)
        with collating_copy(trainer):
            yield
    finally:
        trainer.train_dataset = rows


@contextmanager
def collating_copy(trainer: Trainer) -> Iterator[None]:
    """Give the trainer a copy of its collator for a while; one that cannot be copied is used as it is."""
    collator = trainer.data_collator
    with suppress(Exception):
        trainer.data_collator = copied(collator)
    try:
        yield
    finally:
        trainer.data_collator = collator
