"""Write conversations to an Arrow file, one row each, and read them back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from sanetune.data.conversation import Conversation, MaskedPart
from sanetune.data.holdout import prompt_key
from sanetune.errors import Place
from sanetune.events import Publish, RowsProcessed, silent

SCHEMA = pa.schema(
    {
        "key": pa.binary(),
        "row": pa.int64(),
        "line": pa.int64(),
        "file": pa.string(),
        "conversation": pa.binary(),
    }
)
"""One conversation on disk: ``line`` is -1 where the source has no lines, ``key`` is equal for rows with the same
prompt, ``conversation`` is JSON."""

BATCH = 256
"""Conversations of one record batch, which one worker gets at once."""

BATCH_CHARACTERS = 2_000_000
"""Characters that end a batch early: the encodings of a text take a hundred times as much memory as the text."""


def write(conversations: Iterable[Conversation], file: Path, publish: Publish = silent) -> int:
    """Write conversations to ``file`` in their order and return their number; memory does not grow with it.

    What was written before an error stays readable. ``publish`` gets the number of rows that are written.
    """
    rows = 0
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
        for chunk in chunks(iter(conversations)):
            writer.write_batch(_batch(chunk))
            rows += len(chunk)
            publish(RowsProcessed(rows))
    return rows


def chunks(stream: Iterator[Conversation], size: int = BATCH) -> Iterator[list[Conversation]]:
    """Yield lists of ``size`` conversations; fewer where they are long, and at the end."""
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


def conversations_of(rows: pa.Table | pa.RecordBatch) -> list[Conversation]:
    """Return the conversations of rows in :data:`SCHEMA`."""
    return [from_row(row) for row in rows.to_pylist()]


def from_row(row: Mapping[str, Any]) -> Conversation:
    """Return the conversation behind one row in :data:`SCHEMA`."""
    values = orjson.loads(row["conversation"])
    masked = [MaskedPart(*part) for part in values.get("masked", ())]
    return Conversation(
        values["messages"], place_of(row), values["tools"], values["template_kwargs"], values["text"], masked
    )


def place_of(row: Mapping[str, Any]) -> Place:
    """Return where a conversation comes from, out of the columns ``file``, ``line`` and ``row``."""
    line, number = row["line"], row["row"]
    return Place(row["file"] or None, line if line >= 0 else None, number if number >= 0 else None)


def _batch(conversations: Sequence[Conversation]) -> pa.RecordBatch:
    columns = {
        "key": [prompt_key(conversation) for conversation in conversations],
        "row": [_number(conversation.place.row) for conversation in conversations],
        "line": [_number(conversation.place.line) for conversation in conversations],
        "file": [str(conversation.place.file or "") for conversation in conversations],
        "conversation": [_json(conversation) for conversation in conversations],
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def _json(conversation: Conversation) -> bytes:
    return orjson.dumps(
        {
            "messages": conversation.messages,
            "tools": conversation.tools,
            "template_kwargs": conversation.template_kwargs,
            "text": conversation.text,
            "masked": [list(part) for part in conversation.masked],
        }
    )


def _number(value: int | None) -> int:
    return -1 if value is None else value


def _characters(conversation: Conversation) -> int:
    contents = (len(m["content"]) + len(m.get("reasoning_content", "")) for m in conversation.messages)
    return len(conversation.text or "") + sum(contents)
