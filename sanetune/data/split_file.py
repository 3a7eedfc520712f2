"""Write the rows or packs of a split to an Arrow file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from sanetune.data.split_examples import SplitExamples

AT_ONCE = 256
"""Examples or packs that are gathered before they are written."""

T = TypeVar("T")


def write_rows(split: SplitExamples, limit: int, file: Path) -> None:
    """Write the examples of a split, at most ``limit`` tokens of each: columns ``input_ids``, ``labels``, ``length``
    (tokens) and ``row`` (in the source)."""
    import pyarrow as pa

    def batch(numbers: list[int]) -> pa.RecordBatch:
        ids, labels, lengths = _tokens(split, numbers, limit)
        columns = {"input_ids": ids, "labels": labels, "length": lengths, "row": pa.array(source_rows[numbers])}
        return pa.RecordBatch.from_pydict(columns)

    source_rows = split.source_rows()
    _write(map(batch, _groups(split.used)), file)


def write_packs(split: SplitExamples, packs: Sequence[list[int]], limit: int, file: Path) -> None:
    """Write packs, each a list of numbers of examples: columns ``input_ids``, ``labels``, ``length`` (tokens of the
    pack), and for each of its documents ``seq_lengths`` (tokens) and ``rows`` (in the source)."""
    source_rows = split.source_rows()
    _write((_packed(split, group, source_rows, limit) for group in _groups(packs)), file)


def _packed(split: SplitExamples, packs: list[list[int]], source_rows: np.ndarray, limit: int) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa

    numbers = [index for pack in packs for index in pack]
    ids, labels, lengths = _tokens(split, numbers, limit)
    documents = np.cumsum([0, *(len(pack) for pack in packs)], dtype=np.int32)
    tokens = np.concatenate([[0], np.cumsum(lengths.to_numpy())])[documents].astype(np.int32)
    return pa.RecordBatch.from_pydict(
        {
            "input_ids": pa.ListArray.from_arrays(tokens, ids.flatten()),
            "labels": pa.ListArray.from_arrays(tokens, labels.flatten()),
            "seq_lengths": pa.ListArray.from_arrays(documents, lengths),
            "rows": pa.ListArray.from_arrays(documents, pa.array(source_rows[numbers])),
            "length": np.diff(tokens).astype(np.int32),
        }
    )


def _tokens(split: SplitExamples, numbers: list[int], limit: int) -> tuple[pa.ListArray, pa.ListArray, pa.Int32Array]:
    """Ids, labels and lengths of examples, truncated to ``limit`` tokens."""
    import pyarrow.compute as pc

    names = ["input_ids", "labels"]
    rows = split.columns(names, numbers)
    ids, labels = (
        pc.list_slice(rows.column(name).combine_chunks(), 0, limit, return_fixed_size_list=False) for name in names
    )
    return ids, labels, pc.list_value_length(ids)


def _write(batches: Iterator[pa.RecordBatch], file: Path) -> None:
    """Only one batch at a time is in memory."""
    import pyarrow as pa

    with pa.OSFile(str(file), "wb") as sink:
        writer = None
        for batch in batches:
            writer = writer or pa.ipc.new_stream(sink, batch.schema)
            writer.write_batch(batch)
        if writer:
            writer.close()


def _groups(items: Sequence[T]) -> Iterator[list[T]]:
    stream = iter(items)
    while group := list(islice(stream, AT_ONCE)):
        yield group
