"""Hold the rows that a run trains and validates on, as preparation leaves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.data.cache import open_table
from sanetune.data.conversation_table import BATCH, conversations_of
from sanetune.data.validation_sets import rows_by_source

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa
    from transformers import PreTrainedTokenizerFast

    from sanetune.data.collator import Collator
    from sanetune.data.conversation import Conversation
    from sanetune.data.conversation_file import ConversationFile
    from sanetune.data.truncation import IncompleteRow
    from sanetune.errors import TemplateError


@dataclass(frozen=True, slots=True)
class SplitOrigin:
    """Where a split comes from: its examples, neither truncated nor packed, and their conversations.

    Attributes:
        table: All examples of a file, memory-mapped (:data:`sanetune.data.examples.SCHEMA`).
        conversations: All conversations of that file, memory-mapped.
        rows: The rows of ``table`` that the split uses, ascending.
        replay: How many of them, the last ones, are replay rows.
    """

    table: pa.Table
    conversations: pa.Table
    rows: list[int]
    replay: int = 0

    @property
    def own(self) -> int:
        """The number of rows of the task: all but the replay rows, which are behind them."""
        return len(self.rows) - self.replay

    def example(self, index: int) -> dict[str, list[int]]:
        """Return ``input_ids`` and ``labels`` of example ``index`` of the split."""
        row = self.table.slice(self.rows[index], 1).select(["input_ids", "labels"])
        values: dict[str, list[int]] = row.to_pylist()[0]
        return values

    def conversation(self, index: int) -> Conversation:
        """Return the conversation behind example ``index`` of the split."""
        return self.conversations_of(index, index + 1)[0]

    def conversations_of(self, start: int, stop: int) -> list[Conversation]:
        """Return the conversations behind the examples ``start`` to ``stop`` (exclusive) of the split."""
        rows = self.rows[start:stop]
        if not rows:
            return []
        # Only the part of a table that holds them: taking rows joins all that it is taken from.
        part = self.table.column("conversation").slice(rows[0], rows[-1] - rows[0] + 1)
        numbers = part.take([row - rows[0] for row in rows]).to_pylist()
        whole = self.conversations.slice(numbers[0], numbers[-1] - numbers[0] + 1)
        return conversations_of(whole.take([number - numbers[0] for number in numbers]))


@dataclass
class Prepared:
    """Data ready for training.

    Attributes:
        splits: The rows of ``train``, and of ``validation`` where there are any, or the Arrow file that holds them.
        tokenizer: With its chat template and pad token.
        packed: Whether ``train`` consists of packs.
        max_length: Tokens of the longest row, or of a pack.
        stop_token_ids: The tokens that end the final turns.
        stats: The figures of preparation.
        dropped: Rows that are in neither split.
        truncated: Rows that are there without their last tokens.
        fingerprint: A hash of the rows of all splits, as they are trained.
        origins: Where each split comes from.
        sources: What was read, by the split that it was read for.
        refused: Errors of rows that the template refuses, at most 1,000 of ``refused_count``; there are none unless
            such rows were to be left out.
        refused_count: The number of rows that the template refuses.
        replay_rows: How many rows (or packs) of ``train``, the last ones, are replay rows.
    """

    splits: Mapping[str, datasets.Dataset | Path] = field(repr=False)
    tokenizer: PreTrainedTokenizerFast
    packed: bool
    max_length: int
    stop_token_ids: list[int]
    stats: dict[str, Any]
    dropped: list[IncompleteRow]
    truncated: list[IncompleteRow]
    fingerprint: str
    origins: dict[str, SplitOrigin] = field(repr=False)
    sources: Mapping[str, ConversationFile] = field(repr=False)
    refused: list[TemplateError] = field(default_factory=list, repr=False)
    refused_count: int = 0
    replay_rows: int = 0

    @property
    def mixture(self) -> list[str]:
        """What each source of the training rows gives, in words; empty where one source is used as it is."""
        from sanetune.data.sources.mix import MixedSource, mixture_lines

        return mixture_lines([MixedSource(**one) for one in self.stats.get("mixture", [])])

    @cached_property
    def train(self) -> datasets.Dataset:
        """Rows with ``input_ids``, ``labels`` (-100 where masked), ``length`` (tokens) and ``row`` (in the source).

        Packs have lists ``seq_lengths`` and ``rows``, one entry per document, instead of ``row``.
        """
        return _opened(self.splits["train"])

    @cached_property
    def validation(self) -> datasets.Dataset | None:
        """The same, or None."""
        return _opened(self.splits["validation"]) if "validation" in self.splits else None

    @cached_property
    def validation_sets(self) -> dict[str, list[int]]:
        """The numbers of the rows of ``validation`` by source, where there are several; empty: there are not."""
        rows, read = self.validation, self.sources.get("validation")
        if rows is None or read is None or "row" not in rows.column_names:
            return {}
        return rows_by_source(self.origins["validation"], read.paths)

    def count(self, split: str) -> int:
        """Return the number of rows (or packs) of ``split``; 0 where there is no such split."""
        rows = self.splits.get(split, ())
        return open_table(rows).num_rows if isinstance(rows, Path) else len(rows)

    def first(self, split: str, count: int) -> list[dict[str, Any]] | None:
        """Return the first ``count`` rows of ``split`` as plain values; None where there is no such split."""
        if (rows := self.splits.get(split)) is None:
            return None
        if isinstance(rows, Path):
            plain: list[dict[str, Any]] = open_table(rows).slice(0, count).to_pylist()
            return plain
        return [rows[index] for index in range(min(count, len(rows)))]

    def __repr__(self) -> str:
        train, held_out = self.count("train"), self.count("validation")
        kind = "packs" if self.packed else "rows"
        sizes = f"{train:,} training {kind} and {held_out:,} validation rows"
        return f"<Prepared: {sizes} of at most {self.max_length:,} tokens>"

    @property
    def collator(self) -> Collator:
        """Makes padded batches of the rows, for any trainer: the ``data_collator`` of transformers'."""
        from sanetune.data.collator import Collator

        return Collator(int(self.tokenizer.pad_token_id))

    def conversation(self, split: str, index: int) -> Conversation:
        """Return the conversation behind example ``index`` of ``train`` or ``validation`` (before packing, in file
        order)."""
        return self.origins[split].conversation(index)

    def conversations(self, split: str, limit: int | None = None) -> list[Conversation]:
        """Return the first ``limit`` conversations of ``train`` or ``validation`` (unset: all), in file order.

        Replay rows are not among them.
        """
        origin = self.origins[split]
        stop = len(origin.rows[: origin.own][:limit])
        parts = (origin.conversations_of(start, min(start + BATCH, stop)) for start in range(0, stop, BATCH))
        return [conversation for part in parts for conversation in part]


def _opened(rows: datasets.Dataset | Path) -> datasets.Dataset:
    if not isinstance(rows, Path):
        return rows
    # Late: datasets brings pandas, and a plan needs the figures of the rows alone.
    import datasets

    return datasets.Dataset.from_file(str(rows))
