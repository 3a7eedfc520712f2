"""The batches of all processes that train together, read by the main one in the order in which they are trained on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from sanetune.evidence.known_examples import KnownExamples
from sanetune.evidence.processes import Channel, Failure, channel, lead, process_count, serve
from sanetune.evidence.registry import MissingError
from sanetune.evidence.trainer_batches import OPENERS, Split, TrainerReader, own_sampler, shares_sequences, unreadable

if TYPE_CHECKING:
    import torch
    from transformers import Trainer

    Batch: TypeAlias = dict[str, torch.Tensor]

TURNS = 16
"""Batches of each process that are sent at once, at most."""

Result = TypeVar("Result")


class RankBatch(dict[str, "torch.Tensor"]):
    """A batch, the process that trains on it, and whether it can be sent there."""

    rank = 0
    is_unsendable = False

    @classmethod
    def of(cls, batch: Batch, rank: int) -> RankBatch:
        """Only tensors travel, from whatever device they are on."""
        found = cls({name: value.detach().cpu() for name, value in batch.items() if hasattr(value, "detach")})
        found.rank = rank
        return found


@dataclass(frozen=True, slots=True)
class Open:
    """Begin an epoch of a split."""

    split: Split


@dataclass(frozen=True, slots=True)
class Read:
    """Give the next batches: so many turns, in each of which every process gets one."""

    turns: int


@dataclass(frozen=True, slots=True)
class Close:
    """Put everything back that reading has moved."""


@dataclass(frozen=True, slots=True)
class Digests:
    """Give the digests of the data set's examples, with how often each is there; ``whole``: or one number for all."""

    split: Split
    pad: int | None
    ends: frozenset[int]
    whole: bool


Order: TypeAlias = Open | Read | Close | Digests


@dataclass(slots=True)
class Turns:
    """The answer to :class:`Read`: the batches of each turn; ``ended``: no more come."""

    turns: list[list[RankBatch]]
    ended: bool


@dataclass(slots=True)
class BatchServant:
    """What one process reads."""

    trainer: Trainer
    rank: int
    size: int
    sampler: str = ""
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _turns: Iterator[list[RankBatch]] = field(default_factory=lambda: iter(()))
    _known: dict[Split, KnownExamples] = field(default_factory=dict)

    def answer(self, order: object) -> object:
        """Do what is asked; whatever goes wrong is an answer too."""
        try:
            match order:
                case Open(split):
                    loader = self._open.enter_context(OPENERS[split](self.trainer))
                    self.sampler = own_sampler(loader)
                    self._turns = turns_of(loader, self.rank, self.size)
                case Read(turns):
                    found = list(islice(self._turns, turns))
                    return Turns(found, len(found) < turns)
                case Close():
                    self._turns = iter(())
                    self._open.close()
                case Digests(split, pad, ends, whole):
                    counts = {key: len(numbers) for key, numbers in self.known(split, pad, ends).numbers.items()}
                    return counts if whole else hash(frozenset(counts.items()))
        except Exception as error:  # noqa: BLE001 -- of the user's own data set, collator or loader
            return Failure.of(unreadable(error, f" by process {self.rank}"), self.rank)
        return None

    def known(self, split: Split, pad: int | None, ends: frozenset[int]) -> KnownExamples:
        """The examples of this process; ``pad`` and ``ends`` are token ids."""
        if split not in self._known:
            self._known[split] = TrainerReader(self.trainer).known(split, pad, ends)
        return self._known[split]


def turns_of(loader: Iterable[Batch], rank: int, size: int) -> Iterator[list[RankBatch]]:
    """The batches that ``loader`` gives to this process, or to all of them where it is read on the main one alone."""
    from accelerate.data_loader import DataLoaderDispatcher

    if not isinstance(loader, DataLoaderDispatcher):
        for batch in loader:
            yield [RankBatch.of(batch, rank)]
        return
    loader.set_epoch(loader.iteration)
    batches = iter(loader.base_dataloader)
    if rank:
        return
    if loader.split_batches:
        for batch in batches:
            yield [RankBatch.of(part, at) for at, part in enumerate(_parts(batch, size)) if len(part)]
        return
    while together := list(islice(batches, size)):
        if len(together) == size or not loader._drop_last:
            yield _sent([RankBatch.of(batch, at) for at, batch in enumerate(together)])


def _sent(batches: list[RankBatch]) -> list[RankBatch]:
    """The main process joins the batches of a turn: they have to agree in all but their rows."""
    first = batches[0]
    for batch in batches[1:]:
        batch.is_unsendable = any(value.shape[1:] != first[name].shape[1:] for name, value in batch.items())
    return batches


def _parts(batch: Batch, size: int) -> Iterator[Batch]:
    rows = max(len(value) for value in batch.values() if hasattr(value, "shape"))
    each = -(-rows // size)
    for start in range(0, rows, each):
        yield {
            name: value[start : start + each] if hasattr(value, "shape") and value.ndim else value
            for name, value in batch.items()
        }


class GatheringReader(TrainerReader):
    """Reads on the main process what all of them will read."""

    def __init__(self, trainer: Trainer, line: Channel) -> None:
        super().__init__(trainer)
        self.processes = line.size
        self._line, self._servant = line, BatchServant(trainer, line.rank, line.size)

    @contextlib.contextmanager
    def batches(self, split: Split, most: int | None = None) -> Iterator[Iterable[Batch]]:
        """See :meth:`TrainerReader.batches`."""
        _require_own_rows(self.trainer)
        try:
            self._ask(Open(split))
            self.sampler = self._servant.sampler
            yield self._read(most)
        finally:
            self._ask(Close())

    def known(self, split: Split, pad: int | None, ends: frozenset[int]) -> KnownExamples:
        """See :meth:`TrainerReader.known`; where processes hold different rows, those of all of them."""
        found = self._servant.known(split, pad, ends)
        if len(set(self._ask(Digests(split, pad, ends, whole=False)))) == 1:
            return found
        numbers, rows = {key: list(value) for key, value in found.numbers.items()}, found.size
        for counts in self._ask(Digests(split, pad, ends, whole=True)):
            for key, count in counts.items():
                more = count - len(numbers.setdefault(key, []))
                numbers[key] += range(rows, rows + max(0, more))
                rows += max(0, more)
        own = found.size
        return KnownExamples(
            rows,
            numbers,
            lambda number: found.place(number) if number < own else None,
            lambda number: found.row(number) if number < own else number,
            apart=True,
        )

    def _read(self, most: int | None) -> Iterator[RankBatch]:
        left, turns, ended = None if most is None else most + 1, 1, False  # one more tells that there are more
        while not ended and left != 0:
            turns = turns if left is None else min(turns, left)
            answers: list[Turns] = self._ask(Read(turns))
            for at in range(turns):
                yield from (batch for one in answers for batch in (one.turns[at] if at < len(one.turns) else ()))
            left = None if left is None else left - turns
            ended, turns = all(one.ended for one in answers), min(2 * turns, TURNS)

    def _ask(self, order: Order) -> list:
        self._line.broadcast(order)
        answers = self._line.collect(self._servant.answer(order))
        for one in answers:
            if isinstance(one, Failure):
                raise one.error
        return answers


def _require_own_rows(trainer: Trainer) -> None:
    if shares_sequences(trainer):
        raise MissingError("several processes share each sequence (tensor, context or sequence parallelism)")


def with_all_processes(trainer: Trainer, work: Callable[[TrainerReader], Result]) -> Result:
    """Return what ``work`` makes of the batches of all processes: the same on each of them.

    Args:
        trainer: Built on each process, as for training.
        work: What is done on the main process; it gets what reads the batches.
    """
    if process_count() == 1:
        return work(TrainerReader(trainer))
    with channel() as line:
        if line.rank == 0:
            return lead(line, lambda: work(GatheringReader(trainer, line)))
        return cast("Result", serve(line, BatchServant(trainer, line.rank, line.size)))
