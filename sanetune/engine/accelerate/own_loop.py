"""What a training loop of the user's own on Accelerate needs, with which its usual lines have the right loss.

``model(**batch).loss`` of transformers is a mean over the tokens of one micro-batch, so that accumulated steps and
several devices weigh tokens of small micro-batches more than others (https://huggingface.co/blog/gradient_accumulation).
Its models divide by ``num_items_in_batch`` instead, where they are given it. Each batch here has it: the tokens in the
loss of the whole effective batch, per micro-batch, because accelerate divides by the number of these.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.accelerate.dataloaders import sampler_of, train_rows, validation_loader
from sanetune.engine.accelerate.models import prepared_model
from sanetune.engine.accelerate.optimizers import make_optimizer, make_schedule
from sanetune.engine.accelerate.settings import require_honoured
from sanetune.engine.adapters import base_of
from sanetune.engine.batches import NUMBER, Batch, Collate, Row, collate_for, training_columns
from sanetune.engine.building import arguments_of, has_validation
from sanetune.engine.isolation import isolated
from sanetune.engine.models import attention_of
from sanetune.engine.training_parts import TrainingParts
from sanetune.errors import ModelError
from sanetune.runs import Run

if TYPE_CHECKING:
    import datasets
    from torch.optim.lr_scheduler import LRScheduler
    from trl import SFTConfig

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared

ITEMS = "num_items_in_batch"
"""The argument of transformers' models that their sum of losses is divided by."""


def training_parts(config: Config, prepared: Prepared) -> TrainingParts:
    """Return the parts of the run that ``config``, resolved, describes.

    Raises:
        ConfigError: A setting has no meaning outside of another engine.
        ModelError: The model does not divide its loss by a number that it is given.
    """
    require_honoured(config)
    config = isolated(config)
    folder = config.run.output_dir
    arguments = arguments_of(config, prepared, Run(folder or "."), resuming=False)
    model, _, _ = prepared_model(config, prepared, arguments, None)
    taken = inspect.signature(type(base_of(model)).forward).parameters.values()
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken):
        raise ModelError(
            f"{type(base_of(model)).__name__} takes no {ITEMS}, and its loss is a mean over each micro-batch.",
            "Accumulated steps would weigh the tokens of small micro-batches more than others.",
            "Use sanetune.train with train.engine: accelerate, which computes the loss itself.",
        )
    rows = train_rows(prepared, arguments)
    collate = collate_for(prepared.tokenizer.pad_token_id, attention_of(model))
    loader = weighed_loader(rows, collate, arguments)
    per_epoch = math.ceil(len(loader) / PartialState().num_processes / arguments.gradient_accumulation_steps)
    steps = arguments.max_steps if arguments.max_steps > 0 else math.ceil(arguments.num_train_epochs * per_epoch)
    optimizer = make_optimizer(model, arguments)
    validation = None
    if has_validation(prepared):
        validation = validation_loader(training_columns(prepared.validation, lengths=False), collate, arguments)
    return TrainingParts(
        model,
        optimizer,
        loader,
        validation,
        _prepared_schedule(optimizer, arguments, steps),
        prepared.tokenizer,
        arguments.gradient_accumulation_steps,
        steps,
        math.ceil(steps / per_epoch),
        arguments.max_grad_norm or math.inf,
    )


def _prepared_schedule(optimizer: torch.optim.Optimizer, arguments: SFTConfig, steps: int) -> LRScheduler:
    """accelerate moves a schedule that it has prepared on by one for each process at every step."""
    processes = PartialState().num_processes
    stretched = copy.copy(arguments)
    stretched.warmup_steps = arguments.get_warmup_steps(steps) * processes
    return make_schedule(optimizer, stretched, steps * processes)


def weighed_loader(rows: datasets.Dataset, collate: Collate, arguments: SFTConfig) -> DataLoader[Batch]:
    """Return the training batches, each with :data:`ITEMS`: what its sum of token losses is to be divided by.

    ``rows`` have their numbers, as :func:`sanetune.engine.accelerate.dataloaders.train_rows` gives them.
    """
    batches = WeighedBatches(
        sampler_of(rows, arguments, seedable=True),
        loss_tokens(rows),
        arguments.train_batch_size,
        arguments.gradient_accumulation_steps,
        arguments.dataloader_drop_last,
    )
    return DataLoader(
        _WeighedRows(rows),
        batch_sampler=batches,
        collate_fn=_Collate(collate),
        num_workers=arguments.dataloader_num_workers,
    )


def loss_tokens(rows: datasets.Dataset) -> list[int]:
    """Return the tokens in the loss of each row; its first token is never predicted."""
    return [sum(label != IGNORE_INDEX for label in labels[1:]) for labels in rows["labels"]]


@dataclass(frozen=True, slots=True)
class _Place:
    """A row of a batch: its number, what the batch is divided by, and whether it only fills up."""

    index: int
    items: float
    blank: bool = False


class WeighedBatches(BatchSampler):
    """Batches of rows that know how many tokens in the loss the effective batch has that they are part of.

    Args:
        sampler: Gives the order of the rows.
        tokens: Tokens in the loss of each row.
        size: Rows of a micro-batch.
        accumulated: Micro-batches of a step, on each process.
        drop_last: Whether rows that make no whole batch are left out.
    """

    def __init__(
        self, sampler: Sampler[int], tokens: Sequence[int], size: int, accumulated: int, drop_last: bool
    ) -> None:
        super().__init__(sampler, size, drop_last)
        self._tokens, self._accumulated = tokens, accumulated

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch."""
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        batches, processes = super().__len__(), PartialState().num_processes
        return batches if processes == 1 or self.drop_last else -(-batches // processes) * processes

    def __iter__(self) -> Iterator[list[_Place]]:  # type: ignore[override]
        processes, batches = PartialState().num_processes, list(super().__iter__())
        together = self._accumulated * processes
        blanks = len(self) - len(batches)
        for start in range(0, len(batches), together):
            step = batches[start : start + together]
            total = max(1, sum(self._tokens[index] for batch in step for index in batch))
            for batch in step:
                places = [_Place(index, total / together) for index in batch]
                # accelerate would repeat rows to give all processes equally many, and count them twice.
                missing = self.batch_size - len(batch) if processes > 1 else 0
                yield places + [_Place(batch[0], total / together, blank=True)] * missing
        for _ in range(max(0, blanks)):
            yield [_Place(batches[-1][0], total / together, blank=True)] * self.batch_size


class _WeighedRows(Dataset[Row]):
    """Rows by :class:`_Place`."""

    def __init__(self, rows: datasets.Dataset) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: _Place) -> Row:
        row: Row = {name: value for name, value in self._rows[place.index].items() if name != NUMBER}
        if place.blank:
            row["labels"] = [IGNORE_INDEX] * len(row["labels"])
        return row | {ITEMS: place.items}


class _Collate:
    """A collator that keeps what a batch is divided by."""

    def __init__(self, collate: Collate) -> None:
        self._collate = collate

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        return self._collate(rows) | {ITEMS: torch.tensor(float(rows[0][ITEMS]))}
