"""The conversations of a run as they were read: on disk, so that every check may go over all of them without filling
the memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.data.conversation import Conversation
from sanetune.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Rows:
    """What reading the sources gave. ``bad``: how many rows could not be read; ``errors``: the first of them (at most
    1,000), each with its place; ``forms``: rows of each form."""

    read: int
    bad: int
    errors: list[DataError]
    forms: Counter[str]
    files: list[str] = field(default_factory=list)


class ConversationSplit:
    """The conversations of one split, in file order. Iterating reads them from disk, a few at a time.

    ``numbers``: which rows of ``table`` are in the split, ascending.
    """

    def __init__(self, name: str, table: pa.Table, numbers: list[int]) -> None:
        import numpy as np

        self.name, self._table = name, table
        self._numbers = np.asarray(numbers, np.int64)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Conversation]:
        import numpy as np

        from sanetune.data.examples import unpacked

        start = 0
        # Batch by batch: taking rows from the whole table would join all of it in memory.
        for batch in self._table.to_batches():
            first, last = np.searchsorted(self._numbers, (start, start + len(batch)))
            wanted = self._numbers[first:last] - start
            for row in (batch if len(wanted) == len(batch) else batch.take(wanted)).to_pylist():
                yield unpacked(row)
            start += len(batch)

    def __getitem__(self, index: int) -> Conversation:
        from sanetune.data.examples import unpacked

        return unpacked(self._table.slice(int(self._numbers[index]), 1).to_pylist()[0])


@dataclass(frozen=True, slots=True)
class ConversationStore:
    """All conversations: those trained on and those held out (which may be none). Rows that cannot be read are not
    among them; rows that are too long or refused by the template still are."""

    train: ConversationSplit
    validation: ConversationSplit
    held_out: bool = False
    """Whether validation is a share of the training rows (and not files of its own)."""

    @property
    def sides(self) -> tuple[ConversationSplit, ConversationSplit]:
        return self.train, self.validation

    def __len__(self) -> int:
        return len(self.train) + len(self.validation)


def spool(read: Any, file: Path) -> None:
    """Writes the conversations that ``read`` yields to ``file``, with a key per prompt for the split."""
    import pyarrow as pa

    from sanetune.data.examples import BATCH, CONVERSATION, chunks, conversation_columns

    schema = pa.schema(CONVERSATION)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for batch in chunks(iter(read), BATCH):
            writer.write_batch(pa.RecordBatch.from_pydict(conversation_columns(batch), schema=schema))
