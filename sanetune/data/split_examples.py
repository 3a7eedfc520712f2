"""Hold the examples that a split is made from, with what decides about each of them as numbers in memory."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sanetune.data.cache import open_table
from sanetune.data.conversation_table import place_of
from sanetune.data.labels import IGNORE_INDEX
from sanetune.errors import Place

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from sanetune.data.example_file import ExampleFile
    from sanetune.data.truncation import IncompleteRow


@dataclass(slots=True)
class SplitExamples:
    """The N examples of one file, and those of them that a split uses.

    Attributes:
        name: ``train`` or ``validation``.
        source: The file of the examples. Two splits of one file share it.
        examples: Its rows, memory-mapped.
        conversations: The rows of its conversations, memory-mapped.
        conversation_rows: The row in ``conversations`` of each example (N).
        lengths: Tokens of each example (N), after it is truncated.
        loss_tokens: Tokens in the loss of each example (N), after it is truncated.
        ends: Id of the last token of the last turn in the loss (N); -1 where there is none.
        shared_tokens: Tokens of each example (N) with both masked characters and characters in the loss.
        used: The numbers of the examples in the split, ascending.
        dropped: Examples that are left out.
        truncated: Examples in the split that are not whole.
    """

    name: str
    source: ExampleFile
    examples: pa.Table
    conversations: pa.Table
    conversation_rows: np.ndarray
    lengths: np.ndarray
    loss_tokens: np.ndarray
    ends: np.ndarray
    shared_tokens: np.ndarray
    used: list[int]
    dropped: list[IncompleteRow] = field(default_factory=list)
    truncated: list[IncompleteRow] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, source: ExampleFile) -> SplitExamples:
        """Open all examples of ``source`` as the split ``name``."""
        examples = open_table(source.file)
        names = ("conversation", "length", "loss_tokens", "end", "shared_tokens")
        columns = {column: examples.column(column).to_numpy().copy() for column in names}
        return cls(
            name,
            source,
            examples,
            open_table(source.source.file),
            conversation_rows=columns["conversation"],
            lengths=columns["length"],
            loss_tokens=columns["loss_tokens"],
            ends=columns["end"],
            shared_tokens=columns["shared_tokens"],
            used=list(range(examples.num_rows)),
        )

    def take(self, name: str, numbers: list[int]) -> SplitExamples:
        """Move the examples ``numbers`` into a split of their own, called ``name``."""
        taken = set(numbers)
        self.used = [index for index in self.used if index not in taken]
        return SplitExamples(
            name,
            self.source,
            self.examples,
            self.conversations,
            self.conversation_rows,
            self.lengths,
            self.loss_tokens,
            self.ends,
            self.shared_tokens * 0,  # counted with the split that they come from
            numbers,
        )

    def followed_by(self, other: SplitExamples, numbers: list[int]) -> SplitExamples:
        """Return a split of the examples in use, and behind them the examples ``numbers`` of another file."""
        import numpy as np
        import pyarrow as pa

        moved = other.conversation_rows + len(self.conversations)
        at = other.examples.column_names.index("conversation")
        column = pa.array(moved, other.examples.schema.field(at).type)
        return replace(
            self,
            examples=pa.concat_tables([self.examples, other.examples.set_column(at, "conversation", column)]),
            conversations=pa.concat_tables([self.conversations, other.conversations]),
            conversation_rows=np.concatenate([self.conversation_rows, moved]),
            lengths=np.concatenate([self.lengths, other.lengths]),
            loss_tokens=np.concatenate([self.loss_tokens, other.loss_tokens]),
            ends=np.concatenate([self.ends, other.ends]),
            shared_tokens=np.concatenate([self.shared_tokens, other.shared_tokens]),
            used=[*self.used, *(number + len(self.examples) for number in numbers)],
        )

    def columns(self, names: list[str], numbers: Sequence[int]) -> pa.Table:
        """Return some columns of the examples ``numbers``, in that order, in one chunk each.

        Each run of examples that follow one another is a slice, since taking rows joins all that they are taken from.
        """
        import numpy as np
        import pyarrow as pa

        wanted = np.asarray(numbers, dtype=np.int64)
        cuts = [0, *(np.flatnonzero(np.diff(wanted) != 1) + 1).tolist(), len(wanted)]
        table = self.examples.select(names)
        runs = [table.slice(int(wanted[at]), end - at) for at, end in itertools.pairwise(cuts) if end > at]
        return pa.concat_tables(runs).combine_chunks()

    def keys(self) -> list[bytes]:
        """Return the prompt key of each example in use: equal prompts have equal keys."""
        column = self.conversations.column("key").to_pylist()
        return [column[self.conversation_rows[index]] for index in self.used]

    def source_rows(self) -> np.ndarray:
        """Return the row in its source file of each of the N examples."""
        rows: np.ndarray = self.conversations.column("row").to_numpy()[self.conversation_rows]
        return rows

    def place(self, index: int) -> Place:
        """Return where example ``index`` comes from."""
        row = self.conversations.slice(int(self.conversation_rows[index]), 1).select(["file", "line", "row"])
        return place_of(row.to_pylist()[0])

    def loss_tokens_within(self, index: int, limit: int) -> int:
        """Return how many of the first ``limit`` tokens of example ``index`` are in the loss."""
        labels = self.examples.column("labels")[index].as_py()
        return sum(label != IGNORE_INDEX for label in labels[:limit])

    def omitted(self) -> Counter[str]:
        """Return how many messages lose which field in the template, over all N examples."""
        counts: Counter[str] = Counter()
        for batch in self.examples.column("omitted").chunks:
            counts.update(item.split(":", 1)[1] for item in batch.flatten().to_pylist())
        return counts
