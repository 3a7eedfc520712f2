"""The conversations of a run as they were read: on disk, so that every check may go over all of them without filling
the memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.data.conversation import Conversation
from sanetune.data.unread_columns import UnreadColumn, merged
from sanetune.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from sanetune.config.schema import DataSection
    from sanetune.data.conversation_file import ConversationFile

SPLITS = ("train", "validation")
KEPT = 2**25
"""Bytes of a file of conversations that are kept in memory when they have been read: they become about three times as
many."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What reading the sources gave. ``bad``: how many rows could not be read; ``errors``: the first of them (at most
    1,000), each with its place; ``formats``: rows of each format; ``unread``: columns and keys that nothing reads;
    ``notes`` and ``left_out``: what was done, and why rows are not trained on -> to how many; ``skipped``: whether the
    run goes on without rows that cannot be read."""

    read: int
    bad: int
    errors: list[DataError]
    formats: Counter[str]
    files: list[str] = field(default_factory=list)
    unread: list[UnreadColumn] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    skipped: bool = False

    @classmethod
    def of(cls, sources: Iterable[ConversationFile], *, skipped: bool = False) -> Rows:
        """Return what reading all ``sources`` has given."""
        sources = list(sources)
        return cls(
            sum(one.read for one in sources),
            sum(one.bad for one in sources),
            [error for one in sources for error in one.errors],
            sum((one.formats for one in sources), Counter()),
            [path for one in sources for path in one.paths],
            merged(column for one in sources for column in one.unread),
            sum((Counter(one.notes) for one in sources), Counter()),
            sum((Counter(one.left_out) for one in sources), Counter()),
            skipped,
        )


class ConversationSplit:
    """The conversations of one split, in file order. Iterating reads them from disk, a few at a time.

    More than twenty checks go over them: a file of few bytes (:data:`KEPT`) is read once for all of them. Nobody may
    change a conversation.

    ``numbers``: which rows of ``table`` are in the split, ascending.
    """

    def __init__(self, name: str, table: pa.Table, numbers: Sequence[int]) -> None:
        import numpy as np

        self.name, self._table = name, table
        self._numbers = np.asarray(numbers, np.int64)
        self._few = table.nbytes <= KEPT
        self._kept: list[Conversation] | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Conversation]:
        if not self._few:
            return self._read()
        if self._kept is None:
            self._kept = list(self._read())
        return iter(self._kept)

    def _read(self) -> Iterator[Conversation]:
        import numpy as np

        from sanetune.data.conversation_table import conversations_of

        start = 0
        # Batch by batch: taking rows from the whole table would join all of it in memory.
        for batch in self._table.to_batches():
            first, last = np.searchsorted(self._numbers, (start, start + len(batch)))
            wanted = self._numbers[first:last] - start
            yield from conversations_of(batch if len(wanted) == len(batch) else batch.take(wanted))
            start += len(batch)

    def __getitem__(self, index: int) -> Conversation:
        from sanetune.data.conversation_table import conversations_of

        return conversations_of(self._table.slice(int(self._numbers[index]), 1))[0]


@dataclass(frozen=True, slots=True)
class ConversationStore:
    """All conversations: those trained on and those held out (which may be none). Rows that cannot be read are not
    among them; rows that are too long or refused by the template still are."""

    train: ConversationSplit
    validation: ConversationSplit
    held_out: bool = False
    """Whether validation is a share of the training rows (and not files of its own)."""

    @classmethod
    def of(cls, sources: Mapping[str, ConversationFile], data: DataSection) -> ConversationStore:
        """Open the conversations of ``sources``, split as ``data`` says where validation has no files of its own."""
        from sanetune.data.cache import open_table
        from sanetune.data.holdout import split

        tables = {name: open_table(source.file) for name, source in sources.items()}
        train = tables["train"]
        if "validation" in tables:
            validation = tables["validation"]
            return cls(
                ConversationSplit("train", train, range(len(train))),
                ConversationSplit("validation", validation, range(len(validation))),
            )
        kept, held_out = split(train.column("key").to_pylist(), data.holdout, data.seed)
        return cls(
            ConversationSplit("train", train, kept),
            ConversationSplit("validation", train, held_out),
            held_out=bool(held_out),
        )

    @property
    def sides(self) -> tuple[ConversationSplit, ConversationSplit]:
        return self.train, self.validation

    def __len__(self) -> int:
        return len(self.train) + len(self.validation)
