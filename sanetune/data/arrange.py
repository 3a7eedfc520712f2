"""Examples arranged for training: which are used, which held out, what is cut, and what shares a pack.

Every row that does not come through whole is in ``lost`` with its file, line, reason and tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.data import packing as packs
from sanetune.data import splits, stats
from sanetune.data.cache import open_table
from sanetune.data.conversation_table import place_of
from sanetune.data.labels import IGNORE_INDEX
from sanetune.errors import DataError, Place

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import pyarrow as pa

    from sanetune.config.schema import Config
    from sanetune.data.example_file import ExampleFile

OPEN_LIMIT = 4096
"""Tokens that an open ``max_length`` never passes: memory grows with it, and few recipes train on more."""

OPEN_PACK = 1024
"""Tokens of a pack when ``max_length`` is open and the rows are shorter (TRL's own default length)."""

WRITE_AT_ONCE = 256
"""Examples or packs gathered before they are written."""


@dataclass(slots=True)
class Arranged:
    """``rows``: per split, the numbers of the examples it uses.

    ``ends``: last tokens of last turns, with how often.
    """

    max_length: int
    rows: dict[str, list[int]] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    lost: list[dict[str, Any]] = field(default_factory=list)
    ends: Counter[int] = field(default_factory=Counter)


def arrange(config: Config, context: int | None, sides: Mapping[str, ExampleFile], folder: Path) -> Arranged:
    """Arranges the examples ``sides`` (``train`` and perhaps ``validation``) as ``config`` asks for, into
    ``folder``.

    Raises :class:`DataError` when nothing is left to train on, or when ``data.overlong: error`` meets a row that is
    too long.
    """
    tables = {name: _Side.read(name, made) for name, made in sides.items()}
    packing = bool(config.train.get("packing"))
    limit, reason = _max_length(config.train.get("max_length"), context, packing, tables)
    result = Arranged(limit)
    result.stats |= {"max_length": limit, "max_length_reason": reason}
    result.stats["lengths_before"] = stats.lengths_table(tables["train"].lengths)
    result.stats["histogram"] = stats.histogram(tables["train"].lengths)
    for side in tables.values():
        side.judge(limit, config.data.overlong)
        result.lost += side.lost
    _hold_out(config, tables)
    if not tables["train"].used:
        raise _nothing_left(tables["train"], limit)
    for name, side in tables.items():
        pack = (
            packing
            if name == "train" or config.train.get("eval_packing") is None
            else bool(config.train.get("eval_packing"))
        )
        if side.used:
            result.stats[name] = side.write(folder / f"{name}.arrow", limit, pack)
            result.rows[name] = side.used
        result.ends.update(side.ends[side.used].tolist())
    common = max(1, len(tables["train"].used) // 100)
    result.ends = Counter(
        {token: count for token, count in result.ends.most_common() if token >= 0 and count >= common}
    )
    result.stats["lost"] = stats.lost(result.lost)
    result.stats["left_out_by_template"] = dict(sum((side.dropped() for side in tables.values()), Counter()))
    result.stats["shared_tokens"] = sum(int(side.shared.sum()) for side in tables.values())
    if "validation" in tables and tables["validation"].file != tables["train"].file:
        both = tables["train"].keys_used() & tables["validation"].keys_used()
        result.stats["prompts_on_both_sides"] = len(both)
    return result


@dataclass(slots=True)
class _Side:
    """The examples of one source file, with the few columns that decisions need as arrays of one number per
    example."""

    name: str
    file: Path
    examples: datasets.Dataset
    conversations: pa.Table
    numbers: np.ndarray
    lengths: np.ndarray
    learnt: np.ndarray
    ends: np.ndarray
    shared: np.ndarray
    used: list[int]
    lost: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, name: str, made: ExampleFile) -> _Side:
        import datasets

        examples = datasets.Dataset.from_file(str(made.file)).with_format("arrow")
        names = ("conversation", "length", "learnt", "end", "shared_tokens")
        numbers, lengths, learnt, ends, shared = (examples.data.column(column).to_numpy().copy() for column in names)
        conversations, used = open_table(made.source.file), list(range(len(examples)))
        return cls(name, made.file, examples, conversations, numbers, lengths, learnt, ends, shared, used)

    def judge(self, limit: int, overlong: str) -> None:
        """Keeps what can be trained on.

        ``learnt`` and ``lengths`` become those after the cut.
        """
        long = [index for index in self.used if self.lengths[index] > limit]
        if long and overlong == "error":
            raise DataError(
                f"{units.many(len(long), 'row is', 'rows are')} longer than max_length ({limit:,} tokens); "
                f"the first has {self.lengths[long[0]]:,}.",
                "`data.overlong: error` asks to stop here.",
                "Raise train.max_length, shorten the rows, or set data.overlong to drop or cut.",
                self._place(long[0]),
            )
        reasons: dict[int, str] = {index: "nothing to learn" for index in self.used if not self.learnt[index]}
        for index in long:
            if index in reasons:
                continue
            reasons[index] = "longer than max_length"
            if overlong == "cut":
                left = self._learnt_within(index, limit)
                reasons[index] = "cut at max_length" if left else "nothing to learn before the cut at max_length"
                self._lose(index, reasons[index], int(self.lengths[index]) - limit * bool(left))
                if left:
                    self.lengths[index], self.learnt[index] = limit, left
                    continue
            else:
                self._lose(index, reasons[index], int(self.lengths[index]))
        for index, reason in reasons.items():
            if reason == "nothing to learn":
                self._lose(index, reason, int(self.lengths[index]))
        kept = {index for index, reason in reasons.items() if reason == "cut at max_length"}
        self.used = [index for index in self.used if index not in reasons or index in kept]
        self.lost.sort(key=lambda entry: entry["example"])

    def write(self, file: Path, limit: int, pack: bool) -> dict[str, Any]:
        """Writes the rows in use, returns their figures."""
        lengths = self.lengths[self.used]
        groups = packs.best_fit_decreasing(lengths.tolist(), limit) if pack else None
        order = [[self.used[index] for index in group] for group in groups] if groups is not None else self.used
        rows = self.conversations.column("row").to_numpy()[self.numbers]
        _write(self.examples, rows, order, limit, file)
        return stats.side(lengths, self.learnt[self.used], groups, limit)

    def keys(self, indices: Sequence[int]) -> list[bytes]:
        column = self.conversations.column("key").to_pylist()
        return [column[self.numbers[index]] for index in indices]

    def keys_used(self) -> set[bytes]:
        return set(self.keys(self.used))

    def dropped(self) -> Counter[str]:
        """How many messages lost which field in the template, over all rows."""
        counts: Counter[str] = Counter()
        for batch in self.examples.data.column("dropped").chunks:
            counts.update(item.split(":", 1)[1] for item in batch.flatten().to_pylist())
        return counts

    def _learnt_within(self, index: int, limit: int) -> int:
        labels = self.examples.data.column("labels")[index].as_py()
        return sum(label != IGNORE_INDEX for label in labels[:limit])

    def _place(self, index: int) -> Place:
        return place_of(self.conversations.slice(self.numbers[index], 1).select(["file", "line", "row"]).to_pylist()[0])

    def _lose(self, index: int, reason: str, tokens: int) -> None:
        place = self._place(index)
        self.lost.append(
            {
                "split": self.name,
                "example": index,
                "file": str(place.file) if place.file else None,
                "line": place.line,
                "row": place.row,
                "reason": reason,
                "tokens": int(self.lengths[index]),
                "tokens_lost": tokens,
            }
        )


def _max_length(wanted: int | None, context: int | None, packing: bool, sides: dict[str, _Side]) -> tuple[int, str]:
    """The length in tokens, and why."""
    if wanted is not None:
        if context and wanted > context:
            return (
                context,
                f"max_length {wanted:,} is more than the model's context, {context:,} tokens: the context is used",
            )
        return wanted, "as given"
    longest = max(int(side.lengths.max(initial=1)) for side in sides.values())
    lengths = {"the longest row": longest, "the limit for an open max_length": OPEN_LIMIT}
    if packing:
        lengths["the longest row"] = max(longest, OPEN_PACK)
    if context:
        lengths["the model's context"] = context
    name = min(lengths, key=lambda name: lengths[name])
    if packing and name == "the longest row" and longest < OPEN_PACK:
        name = "room for several rows in a pack"
    return min(lengths.values()), f"open: {name}"


def _hold_out(config: Config, tables: dict[str, _Side]) -> None:
    """Takes the held-out share out of the training rows where no validation data is given."""
    train = tables["train"]
    if "validation" in tables or not config.data.holdout or len(train.used) < 2:
        return
    kept, held = splits.split(train.keys(train.used), config.data.holdout, config.data.seed)
    if not held:
        return
    tables["validation"] = _Side(
        "validation", train.file, train.examples, train.conversations, train.numbers, train.lengths, train.learnt,
        train.ends, train.shared * 0, [train.used[index] for index in held],
    )  # fmt: skip
    train.used = [train.used[index] for index in kept]


def _nothing_left(side: _Side, limit: int) -> DataError:
    reasons = stats.lost(side.lost)
    counts = (
        ", ".join(f"{figures['rows']:,} {reason}" for reason, figures in reasons.items()) or "the source has no rows"
    )
    shortest = int(side.lengths.min()) if len(side.lengths) else 0
    if shortest > limit:
        return DataError(
            f"max_length is {limit:,} tokens and the shortest of {units.many(len(side.lengths), 'row')}"
            f" has {shortest:,}: no row is left.",
            "Rows that do not fit are dropped whole (`data.overlong: drop`), so that no answer loses its end.",
            f"Raise train.max_length (the longest row has {int(side.lengths.max()):,}), or cut: `data.overlong: cut`.",
            side._place(0),
        )
    fix = "Each conversation needs at least one assistant message with text; `sanetune data` shows the rows."
    return DataError(
        f"No row is left to train on ({counts}).",
        "Only answers are learnt, and rows without any would teach nothing.",
        fix,
        side._place(0) if len(side.lengths) else None,
    )


def _write(
    examples: datasets.Dataset,
    rows: np.ndarray,
    order: Sequence[int] | Sequence[list[int]],
    limit: int,
    file: Path,
) -> None:
    """Writes examples (a list of numbers) or packs (a list of lists of numbers) without holding more than a few in
    memory. ``rows``: the row in the source of each example."""
    import pyarrow as pa

    with pa.OSFile(str(file), "wb") as sink:
        writer = None
        for group in _groups(order):
            batch = _gathered(examples, rows, group, limit)
            writer = writer or pa.ipc.new_stream(sink, batch.schema)
            writer.write_batch(batch)
        if writer:
            writer.close()


def _groups(order: Sequence[Any]) -> Iterator[list[Any]]:
    stream = iter(order)
    while group := list(islice(stream, WRITE_AT_ONCE)):
        yield group


def _gathered(examples: datasets.Dataset, sources: np.ndarray, group: list[Any], limit: int) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    packed = isinstance(group[0], list)
    flat = [index for pack in group for index in pack] if packed else group
    rows = examples[flat]
    ids, labels = (
        pc.list_slice(rows.column(name).combine_chunks(), 0, limit, return_fixed_size_list=False)
        for name in ("input_ids", "labels")
    )
    lengths, numbers = pc.list_value_length(ids), pa.array(sources[flat])
    if not packed:
        columns = {"input_ids": ids, "labels": labels, "length": lengths, "row": numbers}
        return pa.RecordBatch.from_pydict(columns)
    documents = np.cumsum([0, *(len(pack) for pack in group)], dtype=np.int32)
    tokens = np.concatenate([[0], np.cumsum(lengths.to_numpy())])[documents].astype(np.int32)
    return pa.RecordBatch.from_pydict(
        {
            "input_ids": pa.ListArray.from_arrays(tokens, ids.flatten()),
            "labels": pa.ListArray.from_arrays(tokens, labels.flatten()),
            "seq_lengths": pa.ListArray.from_arrays(documents, lengths),
            "rows": pa.ListArray.from_arrays(documents, numbers),
            "length": np.diff(tokens).astype(np.int32),
        }
    )
