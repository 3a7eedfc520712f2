"""Make every conversation into ids and labels, on all cores, straight into an Arrow file.

Nothing here holds the data set in memory: conversations are read as they are needed, a bounded number of batches is
under way, and finished batches go to disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from sanetune.data.conversation import Conversation
from sanetune.data.conversation_table import conversations_of
from sanetune.data.labels import Labeller
from sanetune.data.refusals import Refusals
from sanetune.data.template.chat_template import TemplateStoppedError
from sanetune.data.workers import map_in_order
from sanetune.errors import TemplateError
from sanetune.events import Publish, RowsProcessed, silent

SCHEMA = pa.schema(
    {
        "input_ids": pa.list_(pa.int32()),
        "labels": pa.list_(pa.int32()),
        "length": pa.int32(),
        "loss_tokens": pa.int32(),
        "shared_tokens": pa.int32(),
        "end": pa.int32(),
        "omitted": pa.list_(pa.string()),
        "conversation": pa.int64(),
    }
)
"""One example as it is in the cache, not truncated. ``length`` counts its tokens, ``loss_tokens`` those in the loss,
``shared_tokens`` those with both masked characters and characters in the loss; ``end`` is the last token of the last
turn in the loss (-1: there is none), ``omitted`` are texts that the template leaves out (``message:field``), and
``conversation`` is the row in the file of conversations."""


def write(
    batches: Iterable[pa.RecordBatch], labeller: Labeller, file: Path, *, processes: int, publish: Publish = silent
) -> Refusals:
    """Write one example per conversation that the template takes, in order, to ``file``.

    Args:
        batches: Conversations, as :mod:`sanetune.data.conversation_table` writes them.
        labeller: Makes ids and labels.
        file: An Arrow stream file with the columns of :data:`SCHEMA`.
        processes: The number of processes that work at once.
        publish: Gets the number of conversations that are done.

    Returns:
        The rows that the template refuses.
    """
    rows, refusals = 0, Refusals()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
        for batch, errors in map_in_order(partial(_labelled, labeller), _numbered(batches), processes):
            writer.write_batch(batch)
            refusals.add(errors)
            rows += batch.num_rows + len(errors)
            publish(RowsProcessed(rows))
    return refusals


def _numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Each batch with the number of its first row in the whole file."""
    start = 0
    for batch in batches:
        yield start, batch
        start += batch.num_rows


def _labelled(labeller: Labeller, part: tuple[int, pa.RecordBatch]) -> tuple[pa.RecordBatch, list[TemplateError]]:
    start, batch = part
    conversations = conversations_of(batch)
    numbers = range(start, start + len(conversations))
    try:
        return _record_batch(conversations, numbers, labeller), []
    except TemplateStoppedError:
        raise
    except TemplateError:
        if labeller.turns is None:
            raise
    good, errors = [], []
    for number, conversation in enumerate(conversations):  # some row is refused: find out which, and keep the others
        try:
            labeller.examples([conversation])
            good.append(number)
        except TemplateError as error:
            errors.append(error)
    return _record_batch([conversations[one] for one in good], [numbers[one] for one in good], labeller), errors


def _record_batch(conversations: Sequence[Conversation], numbers: Sequence[int], labeller: Labeller) -> pa.RecordBatch:
    examples = labeller.examples(conversations)
    columns = {
        "input_ids": [example.ids for example in examples],
        "labels": [example.labels for example in examples],
        "length": [len(example.ids) for example in examples],
        "loss_tokens": [example.loss_tokens for example in examples],
        "shared_tokens": [example.shared_tokens for example in examples],
        "end": [example.ends[-1] if example.ends else -1 for example in examples],
        "omitted": [[f"{message}:{name}" for message, name in example.omitted] for example in examples],
        "conversation": list(numbers),
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)
