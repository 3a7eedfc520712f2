"""Every conversation made into ids and labels, on all cores, straight into an Arrow file.

Nothing here holds the data set in memory: conversations are read as they are needed, a bounded number of batches is
under way, and finished batches go to disk.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pyarrow as pa

from sanetune.data.conversation import Conversation
from sanetune.data.labels import Labeller
from sanetune.data.splits import prompt_key
from sanetune.data.template.chat_template import TemplateStoppedError
from sanetune.errors import Place, TemplateError
from sanetune.events import Publish, RowsProcessed, silent

BATCH = 256
"""Conversations that travel to a worker at once."""

BATCH_CHARACTERS = 2_000_000
"""Characters from which a batch is sent whatever its number: their encodings take a hundred times as much memory."""

IN_PROCESS = 2_000
"""Up to this many conversations, starting workers costs more than it saves."""

CONVERSATION = {
    "key": pa.binary(),
    "row": pa.int64(),
    "line": pa.int64(),
    "file": pa.string(),
    "conversation": pa.binary(),
}
"""One conversation on disk: ``line`` is -1 where the source has no lines, ``key`` is equal for rows with the same
prompt, ``conversation`` is JSON."""

SCHEMA = pa.schema(
    {
        "input_ids": pa.list_(pa.int32()),
        "labels": pa.list_(pa.int32()),
        "length": pa.int32(),
        "learnt": pa.int32(),
        "shared_tokens": pa.int32(),
        "end": pa.int32(),
        "dropped": pa.list_(pa.string()),
        **CONVERSATION,
    }
)
"""One example as it lies in the cache, uncut. ``end`` is the last token of the last learnt turn (-1: nothing is
learnt)."""


KEPT = 1_000
"""Refused rows that are kept by name; of the others only the number is."""


@dataclass(slots=True)
class Refusals:
    """Rows that the template cannot render or mask: the first errors (at most :data:`KEPT`), and how many there
    were."""

    count: int = 0
    first: list[TemplateError] = field(default_factory=list)

    def add(self, errors: list[TemplateError]) -> None:
        self.count += len(errors)
        self.first.extend(errors[: KEPT - len(self.first)])

    def raise_if_any(self, rows: int) -> None:
        if not self.count:
            return
        first = self.first[0]
        if self.count == 1:
            raise RefusedError(first.message, first.rationale, first.remedy, first.place, self)
        others = "; ".join(str(error.place) for error in self.first[1:3])
        raise RefusedError(
            f"{first.message} ({self.count:,} of {rows:,} rows are refused; the next: {others})",
            first.rationale,
            first.remedy,
            first.place,
            self,
        )


class RefusedError(TemplateError):
    """The template refuses rows; ``refusals`` holds all of them."""

    def __init__(
        self,
        message: str,
        rationale: str = "",
        remedy: str = "",
        place: Place | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        super().__init__(message, rationale, remedy, place)
        self.refusals = refusals or Refusals()


def write(
    conversations: Iterable[Conversation],
    labeller: Labeller,
    file: Path,
    *,
    workers: int | None = None,
    publish: Publish = silent,
) -> tuple[int, Refusals]:
    """Writes one example per conversation that the template takes, in order, to ``file``.

    Returns how many conversations there were, and those refused. ``publish`` gets how many are done. ``workers``
    is the number of processes (open: one per core).
    """
    rows, refusals = 0, Refusals()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
        for batch, errors in _batches(conversations, labeller, workers):
            writer.write_batch(batch)
            refusals.add(errors)
            rows += batch.num_rows + len(errors)
            publish(RowsProcessed(rows))
    return rows, refusals


Result = tuple[pa.RecordBatch, list[TemplateError]]


def _batches(conversations: Iterable[Conversation], labeller: Labeller, workers: int | None) -> Iterator[Result]:
    stream = iter(conversations)
    head: list[Conversation] = []
    characters = 0
    while characters < 10 * BATCH_CHARACTERS and len(head) < IN_PROCESS and (some := next(stream, None)) is not None:
        head.append(some)
        characters += _characters(some)
    workers = workers or _cores()
    if some is None or workers == 1 or sys.platform != "linux":
        # Elsewhere processes start by importing the user's script anew, which a script without a main guard does not
        # survive.
        for chunk in chunks(iter(head)):
            yield _examples(labeller, chunk)
        for chunk in chunks(stream):
            yield _examples(labeller, chunk)
        return
    yield from _in_parallel(_chained(head, stream), labeller, workers)


def _in_parallel(conversations: Iterator[Conversation], labeller: Labeller, workers: int) -> Iterator[Result]:
    """Results in order; at most two batches per worker are under way, so that a fast reader does not fill the
    memory."""
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, _start_worker, (labeller,)) as pool:
        under_way: deque[Future[Result]] = deque()
        try:
            for chunk in chunks(conversations):
                under_way.append(pool.submit(_work, chunk))
                if len(under_way) >= 2 * workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


_labeller: Labeller | None = None


def _start_worker(labeller: Labeller) -> None:
    global _labeller
    # One process per core: threads inside the tokenizer would only fight over them.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _labeller = labeller


def _work(conversations: list[Conversation]) -> Result:
    assert _labeller is not None
    return _examples(_labeller, conversations)


def _examples(labeller: Labeller, conversations: list[Conversation]) -> Result:
    try:
        return _record_batch(conversations, labeller), []
    except TemplateStoppedError:
        raise
    except TemplateError:
        if labeller.turns is None:
            raise
    good, errors = [], []
    for conversation in conversations:  # some row is refused: find out which, and keep the others
        try:
            labeller.examples([conversation])
            good.append(conversation)
        except TemplateError as error:
            errors.append(error)
    return _record_batch(good, labeller), errors


def _record_batch(conversations: list[Conversation], labeller: Labeller) -> pa.RecordBatch:
    examples = labeller.examples(conversations)
    columns = {
        "input_ids": [example.ids for example in examples],
        "labels": [example.labels for example in examples],
        "length": [len(example.ids) for example in examples],
        "learnt": [example.learnt for example in examples],
        "shared_tokens": [example.shared_tokens for example in examples],
        "end": [example.ends[-1] if example.ends else -1 for example in examples],
        "dropped": [[f"{message}:{name}" for message, name in example.dropped] for example in examples],
        **conversation_columns(conversations),
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def conversation_columns(conversations: list[Conversation]) -> dict[str, list[object]]:
    """The columns of :data:`CONVERSATION`."""
    return {
        "key": [prompt_key(conversation) for conversation in conversations],
        "row": [_number(conversation.place.row) for conversation in conversations],
        "line": [_number(conversation.place.line) for conversation in conversations],
        "file": [str(conversation.place.file or "") for conversation in conversations],
        "conversation": [_packed(conversation) for conversation in conversations],
    }


def _packed(conversation: Conversation) -> bytes:
    return orjson.dumps(
        {
            "messages": conversation.messages,
            "tools": conversation.tools,
            "template_kwargs": conversation.template_kwargs,
            "text": conversation.text,
        }
    )


def unpacked(row: dict[str, object]) -> Conversation:
    """The conversation behind a row of the examples' file."""
    values = orjson.loads(row["conversation"])  # type: ignore[arg-type]
    line = int(row["line"])  # type: ignore[call-overload]
    place = Place(str(row["file"]) or None, line if line >= 0 else None, int(row["row"]))  # type: ignore[call-overload]
    return Conversation(values["messages"], place, values["tools"], values["template_kwargs"], values["text"])


def _number(value: int | None) -> int:
    return -1 if value is None else value


def chunks(stream: Iterator[Conversation], size: int = BATCH) -> Iterator[list[Conversation]]:
    """Lists of ``size`` conversations; fewer where they are long, and at the end."""
    chunk: list[Conversation] = []
    characters = 0
    for conversation in stream:
        chunk.append(conversation)
        characters += _characters(conversation)
        if len(chunk) == size or characters > BATCH_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _characters(conversation: Conversation) -> int:
    said = (len(m["content"]) + len(m.get("reasoning_content", "")) for m in conversation.messages)
    return len(conversation.text or "") + sum(said)


def _chained(head: list[Conversation], rest: Iterator[Conversation]) -> Iterator[Conversation]:
    yield from head
    head.clear()
    yield from rest


def _cores() -> int:
    """Cores that this process may use (a container often has fewer than the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
