"""The batches of a built trainer, read without leaving a trace."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.errors import DataError, Place, UserError
from sanetune.evidence.detached import collating_copy, copied, detached, reading_copies
from sanetune.evidence.kept_samplers import kept_attributes, kept_samplers
from sanetune.evidence.known_examples import KnownExamples
from sanetune.evidence.registry import MissingError
from sanetune.evidence.trainer_rows import has_ids
from sanetune.rng import kept_random_states
from sanetune.text import one_line

if TYPE_CHECKING:
    import datasets
    import torch
    from torch.distributed.device_mesh import DeviceMesh
    from transformers import Trainer

    Batch: TypeAlias = dict[str, torch.Tensor]
    Rows: TypeAlias = datasets.Dataset | datasets.IterableDataset

Split: TypeAlias = Literal["train", "validation"]

STREAMED = 10_000
"""Batches read of a data set whose length is unknown."""
NOT_THEIRS = ("site-packages", "/sanetune/evidence/", "<frozen")
"""Parts of the paths of files that are not the user's own."""
EPOCHS = ("epoch", "iteration")
"""Where samplers and accelerate's loaders count the epochs that they have given."""


@contextlib.contextmanager
def untouched(trainer: Trainer) -> Iterator[None]:
    """Random states (Python, NumPy, torch, CUDA) and the accelerator's dataloaders are put back at the end."""
    accelerator = getattr(trainer, "accelerator", None)
    loaders = list(getattr(accelerator, "_dataloaders", ()))
    state = getattr(accelerator, "gradient_state", None)
    references = list(getattr(state, "dataloader_references", ()))
    kept = dict(getattr(trainer, "_eval_dataloaders", None) or {})
    try:
        with kept_random_states():
            yield
    finally:
        if accelerator is not None:
            accelerator._dataloaders[:] = loaders
        if state is not None:  # a loader that is not read to its end stays the one that is being read
            state.dataloader_references = references
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
        with kept_attributes(trainer):
            loader = trainer.get_train_dataloader()
        if not own:
            with kept_samplers(own_samplers(loader)):
                yield loader
            return
        _require_readable_again(loader, trainer.train_dataset)
        with _at_rest(loader), kept_samplers(own_samplers(loader)):
            yield loader


@contextlib.contextmanager
def validation_batches(trainer: Trainer) -> Iterator[Iterable[Batch]]:
    """The batches of the trainer's own validation dataloader."""
    with untouched(trainer), collating_copy(trainer):
        with kept_attributes(trainer):
            loader = trainer.get_eval_dataloader(detached(evaluated_rows(trainer)))
        with kept_samplers(own_samplers(loader)):
            yield loader


OPENERS: dict[Split, Callable[[Trainer], AbstractContextManager[Iterable[Batch]]]] = {
    "train": train_batches,
    "validation": validation_batches,
}


class TrainerReader:
    """Reads what a trainer will read, where its process is the only one.

    Attributes:
        processes: How many processes read; their batches come in turn.
        sampler: The name of the user's own sampler, or of one that draws rows with replacement, in the batches that are
            read; "" where torch's or transformers' gives each row once.
    """

    processes = 1
    sampler = ""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    @contextlib.contextmanager
    def batches(self, split: Split, most: int | None = None) -> Iterator[Iterable[Batch]]:
        """The batches of one epoch.

        Args:
            split: Which.
            most: Batches that are wanted at most of each process; None: all.
        """
        with OPENERS[split](self.trainer) as loader:
            self.sampler = own_sampler(loader)
            yield _readable(loader)

    def known(self, split: Split, pad: int | None, ends: frozenset[int]) -> KnownExamples:
        """The examples that the data set is known to have: none where its rows have no ids before they are batched."""
        rows = self.trainer.train_dataset if split == "train" else evaluated_rows(self.trainer)
        if hasattr(rows, "__len__") and has_ids(rows):
            return KnownExamples.of(rows, lambda number: Place(row=number), pad, ends)
        return KnownExamples(0, {})


def _readable(loader: Iterable[Batch]) -> Iterator[Batch]:
    try:
        yield from loader
    except Exception as error:
        raise unreadable(error) from error


def unreadable(error: Exception, process: str = "") -> Exception:
    """What is told where the user's own data set, collator or loader raises ``error``; ``process``: on which it was."""
    if isinstance(error, MissingError | UserError) or is_out_of_memory(error):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not any(part in frame.filename for part in NOT_THEIRS)]
    place = Place(Path(own[-1].filename), own[-1].lineno) if own else None
    return DataError(
        f"the trainer's batches cannot be read{process}: {type(error).__name__}: {one_line(str(error), 200)}",
        "Training would stop at the same batch.",
        "Correct the data set, collator or loader that raises it.",
        place,
    )


def evaluated_rows(trainer: Trainer) -> Rows | None:
    """The validation rows; of several named sets all of them, where they can be joined."""
    rows: Rows | dict[str, Rows] | None = trainer.eval_dataset
    if not isinstance(rows, dict):
        return rows
    import datasets

    parts = list(rows.values())
    if parts and all(isinstance(part, datasets.Dataset) and part.features == parts[0].features for part in parts):
        joined: Rows = datasets.concatenate_datasets(parts)
        return joined
    return next(iter(parts), None)


def own_sampler(loader: Iterable[Batch]) -> str:
    """The class of the sampler of ``loader`` that gives rows as its author likes; "" where each comes once."""
    own = own_samplers(loader)
    drawn = [one for one in _samplers(loader) if one in own or getattr(one, "replacement", False)]
    return type(drawn[0]).__name__ if drawn else ""


def own_samplers(loader: Iterable[Batch]) -> list[object]:
    """The samplers of ``loader`` of the user's own making."""
    libraries = ("torch", "transformers", "accelerate", "trl")
    return [one for one in _samplers(loader) if type(one).__module__.partition(".")[0] not in libraries]


def _samplers(loader: Iterable[Batch]) -> list[object]:
    """What chooses the rows of ``loader``, inside accelerate's shells too."""
    outer = getattr(loader, "batch_sampler", None)
    found = [getattr(loader, "sampler", None), outer]
    found += [getattr(outer, name, None) for name in ("sampler", "batch_sampler")]
    found.append(getattr(found[-1], "sampler", None))
    return [one for one in found if one is not None]


def _overrides(trainer: Trainer, method: str) -> bool:
    """Whether ``method`` is neither transformers' nor TRL's."""
    found = getattr(trainer, method)
    home = getattr(getattr(found, "__func__", found), "__module__", "") or ""
    return home.partition(".")[0] not in ("transformers", "trl")


def has_own_loss(trainer: Trainer) -> bool:
    """Whether the loss is computed by the user's own code, for which labels are not the last word."""
    return _overrides(trainer, "compute_loss") or getattr(trainer, "compute_loss_func", None) is not None


def shares_sequences(trainer: Trainer) -> bool:
    """Whether several processes work on the same rows: each has a part of the model, or of each sequence."""
    mesh: DeviceMesh | None = getattr(getattr(trainer, "accelerator", None), "torch_device_mesh", None)
    names = () if mesh is None else {"tp", "cp", "sp"} & set(mesh.mesh_dim_names or ())
    return mesh is not None and any(mesh[name].size() > 1 for name in names)


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

    holders = [loader, *_samplers(loader)]
    generators = [found for one in holders if isinstance(found := getattr(one, "generator", None), torch.Generator)]
    states = [one.get_state() for one in generators]
    counting = [vars(one) for one in holders if hasattr(one, "__dict__")]
    epochs = [(one, name, one[name]) for one in counting for name in EPOCHS if name in one]
    base = getattr(loader, "base_dataloader", loader)  # accelerate's loaders are a shell around torch's
    parts = {"collate_fn": copied, "dataset": detached} if isinstance(base, DataLoader) else {}
    own = {name: getattr(base, name) for name in parts}
    try:
        for name, copy in parts.items():
            with contextlib.suppress(Exception):  # a collator that cannot be copied is read as it is
                object.__setattr__(base, name, copy(own[name]))  # DataLoader refuses to change its data set
        yield
    finally:
        for name, value in own.items():
            object.__setattr__(base, name, value)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        for holder, name, epoch in epochs:
            holder[name] = epoch


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
