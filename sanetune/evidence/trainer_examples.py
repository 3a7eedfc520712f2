"""The rows of a built trainer as probes need them: what its own collator makes of each, and which are held out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from sanetune.evidence.batch_documents import DocumentSplitter
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.detached import collating_copy, detached
from sanetune.evidence.known_examples import KnownExamples
from sanetune.evidence.own_loss import effective_labels
from sanetune.evidence.registry import MissingError
from sanetune.evidence.trainer_batches import train_batches, untouched

if TYPE_CHECKING:
    import datasets
    import torch
    from torch.utils.data import DataLoader, Dataset
    from transformers import Trainer

    Batch = dict[str, Any]
    Row = dict[str, Any]
    Rows: TypeAlias = datasets.Dataset | Dataset[Any]

TRAIN_ROWS, VALIDATION_ROWS = 400, 128
"""Rows of a data set that are read for probes, at most, spread over it."""
OWN_LOSS_ROWS = 64
"""The same where the loss has to be called for the labels of each."""
HELD_OUT_SHARE, FEWEST_HELD_OUT = 0.1, 4
"""Share of the training rows that is held out where there are no validation rows; fewer than so many are none."""


@dataclass(frozen=True, slots=True)
class Example:
    """A document of the trainer's data. ``row``: number of the row that is nothing else; None: one of several."""

    input_ids: list[int]
    labels: list[int]
    row: int | None = None


@dataclass(slots=True)
class ReadTrainer:
    """Reads a trainer's batches and rows; see :class:`sanetune.engine.own.session.TrainerData`.

    Attributes:
        trainer: The user's.
        pad: Id that fills the rest of a row.
        ends: Ids that end a text.
        own_loss: Whether the loss is the user's own code.
        by_gradient: Whether its labels have to be read off its gradient.
        most: Rows of a split that are read, at most.
    """

    trainer: Trainer
    pad: int
    ends: frozenset[int]
    own_loss: bool = False
    by_gradient: bool = False
    most: int | None = None
    held_out: list[int] = field(default_factory=list)
    _rows: dict[tuple[int, ...], int] = field(default_factory=dict)

    # ---- for sessions ----

    @contextlib.contextmanager
    def train_batches(self, trainer: Trainer) -> Iterator[Iterable[Batch]]:
        """One epoch of the batches of ``trainer``, a stand-in, without the rows that are held out."""
        if self.held_out:
            trainer.train_dataset = without(trainer.train_dataset, self.held_out)
        with train_batches(trainer) as loader:
            yield loader

    def labels(self, batch: Batch) -> torch.Tensor:
        """The labels that the loss acts on.

        Raises:
            MissingError: The batch has none, and the loss cannot be tried by itself.
        """
        if self.by_gradient:
            return effective_labels(self.trainer, batch)
        if "labels" not in batch:
            raise MissingError("its batches have no labels")
        labels: torch.Tensor = batch["labels"]
        return labels

    def collate(self, rows: Sequence[Row]) -> Batch | None:
        """What the trainer's own loader makes of these examples; None where some are not whole rows of the data set."""
        numbers = [self._rows.get(tuple(row["input_ids"])) for row in rows]
        if None in numbers:
            return None
        with train_batches(self.trainer) as loader:
            if (plain := _plain(loader)) is None:
                return None
            batch: Batch = plain.collate_fn([plain.dataset[number] for number in numbers])
        return batch

    # ---- rows ----

    def train_examples(self) -> list[Example]:
        """Documents of training rows, spread over the data set, or of a stream's first rows."""
        with train_batches(self.trainer) as loader:
            found = list(self._examples(loader, self.most or TRAIN_ROWS))
        self._rows = {tuple(one.input_ids): one.row for one in found if one.row is not None}
        return found

    def validation_examples(self) -> list[Example]:
        """Documents of the validation rows; none where there are none."""
        rows = self.trainer.eval_dataset
        several = list(rows.values()) if isinstance(rows, dict) else [] if rows is None else [rows]
        found: list[Example] = []
        for one in several:
            if hasattr(one, "__len__") and not len(one):
                continue
            with untouched(self.trainer), collating_copy(self.trainer):
                loader = self.trainer.get_eval_dataloader(detached(one))
                found += self._examples(loader, (self.most or VALIDATION_ROWS) // len(several))
        return found

    def hold_out(self, examples: list[Example]) -> list[Example]:
        """Set some training rows aside, and return their documents; none where rows cannot be told apart."""
        rows = self.trainer.train_dataset
        whole = [one for one in examples if one.row is not None]
        total = len(rows) if hasattr(rows, "__len__") else 0
        count = min(len(whole) // 2, int(total * HELD_OUT_SHARE), VALIDATION_ROWS)
        if count < FEWEST_HELD_OUT or not reads_its_rows(self.trainer):
            return []
        chosen = [whole[at * len(whole) // count] for at in range(count)]
        self.held_out = sorted({one.row for one in chosen if one.row is not None})
        return chosen

    def _examples(self, loader: Iterable[Batch], most: int) -> Iterator[Example]:
        splitter = DocumentSplitter(SplitStats("", 0), KnownExamples(0, {}), self.pad, self.ends)
        for number, batch in self._small_batches(loader, most):
            arrays = {name: value.detach().cpu().numpy() for name, value in batch.items() if hasattr(value, "detach")}
            if "input_ids" not in arrays:
                raise MissingError("its batches have no input_ids")
            arrays["labels"] = self.labels(batch).detach().cpu().numpy()
            documents = list(splitter.documents(arrays))
            for one in documents:
                alone = number if len(documents) == 1 else None
                yield Example(one.ids_T.tolist(), one.labels_T.tolist(), alone)

    def _small_batches(self, loader: Iterable[Batch], most: int) -> Iterator[tuple[int | None, Batch]]:
        """Rows one by one with their numbers; where the loader does not let them be told apart, its batches."""
        plain = _plain(loader)
        if plain is None:
            yield from ((None, batch) for batch in islice(loader, most // 4))
            return
        rows = plain.dataset
        if hasattr(rows, "__getitem__") and hasattr(rows, "__len__"):
            count = min(most, len(rows))
            for at in range(count):
                number = at * len(rows) // count
                yield number, plain.collate_fn([rows[number]])
        else:
            yield from ((None, plain.collate_fn([row])) for row in islice(iter(rows), most))


def _plain(loader: Iterable[Batch]) -> DataLoader[Any] | None:
    """``loader`` where it makes batches of a data set's rows."""
    from torch.utils.data import DataLoader

    if not isinstance(loader, DataLoader) or (loader.batch_size is None and loader.batch_sampler is None):
        return None
    return loader


def reads_its_rows(trainer: Trainer) -> bool:
    """Whether its training batches are made of ``train_dataset`` by transformers or TRL."""
    home = getattr(type(trainer).get_train_dataloader, "__module__", "")
    return home.partition(".")[0] in ("transformers", "trl")


def without(rows: Rows, numbers: Sequence[int]) -> Rows:
    """The rows of a data set but those ``numbers``."""
    import datasets
    from torch.utils.data import Subset

    out = set(numbers)
    left = [number for number in range(len(rows)) if number not in out]  # type: ignore[arg-type]
    return rows.select(left) if isinstance(rows, datasets.Dataset) else Subset(rows, left)
