"""Running out of memory in a step: which batch it was, what to do, and the same batch in parts."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sanetune.engine.batches import Batch
from sanetune.errors import RunError
from sanetune.text import shorten

SHOWN = 8
"""Rows that a message names."""


class StepTooLargeError(RunError):
    """The memory does not suffice for a micro-batch."""


@dataclass(frozen=True, slots=True)
class StepPlace:
    """Where in a run a micro-batch is.

    Attributes:
        step: The optimizer step that is being made, from 1.
        micro_batch: Number of the micro-batch in it, from 1.
        micro_batches: How many the step has.
        rows: Numbers of its rows in the training split; empty: not known.
    """

    step: int
    micro_batch: int
    micro_batches: int
    rows: Sequence[int] = ()


def parts_of(batch: Batch, rows_at_once: int | None) -> list[Batch]:
    """Return ``batch`` (tensors B first) as batches of at most ``rows_at_once`` rows, in order; None: as it is.

    Example:
        >>> [part["labels"].tolist() for part in parts_of({"labels": torch.arange(3)}, 2)]
        [[0, 1], [2]]
    """
    count = rows_of(batch)
    if rows_at_once is None or count <= rows_at_once:
        return [batch]
    starts = range(0, count, rows_at_once)
    return [{key: value[start : start + rows_at_once] for key, value in batch.items()} for start in starts]


def rows_of(batch: Batch) -> int:
    """Return how many rows (B) a batch has."""
    return int(batch["labels"].shape[0])


def free_memory() -> None:
    """Let go of what a failed step has left; its exception must be gone by now."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory(batch: Batch, place: StepPlace, words: str, size: int, accumulation: int) -> StepTooLargeError:
    """Return the error that names the batch and what to do.

    Args:
        batch: The micro-batch (B, T).
        place: Where it is.
        words: The library's own.
        size: train.per_device_train_batch_size, in rows.
        accumulation: train.gradient_accumulation_steps, in micro-batches.
    """
    rows, tokens = batch["labels"].shape[0], batch["labels"].shape[-1]
    numbers = ", ".join(str(number) for number in place.rows[:SHOWN]) + (", …" if len(place.rows) > SHOWN else "")
    named = f"; rows {numbers} of the training split" if place.rows else ""
    fix: dict[str, int | bool] = {"train.activation_checkpointing": True}
    remedy = (
        "Set train.activation_checkpointing: true, lower train.max_length, or train an adapter (model.adapter: lora)."
    )
    if size > 1:
        fix = {"train.per_device_train_batch_size": size // 2, "train.gradient_accumulation_steps": accumulation * 2}
        remedy = (
            f"Set train.per_device_train_batch_size: {size // 2} and train.gradient_accumulation_steps: "
            f"{accumulation * 2} (the same effective batch), or train.auto_find_batch_size: true, which does that by "
            "itself. " + remedy
        )
    where = f"step {place.step:,}, micro-batch {place.micro_batch} of {place.micro_batches}"
    return StepTooLargeError(
        f"The memory does not suffice at {where}: "
        f"{rows} x {tokens:,} tokens{named} ({shorten(' '.join(words.split()), 160)}).",
        "Activations grow with the rows of a micro-batch and with its longest row.",
        remedy,
        fix=fix,
    )
