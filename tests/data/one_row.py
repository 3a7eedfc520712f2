"""One row read as a conversation, or refused with its place."""

from __future__ import annotations

from typing import Any

import pytest

from sanetune.data.conversation import Conversation
from sanetune.data.formats import to_conversation
from sanetune.data.sources.row import Row
from sanetune.errors import DataError, Place

PLACE = Place("rows.jsonl", 7, 6)
USER, REPLY = {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}


def read(values: Any, fields: dict[str, str] | None = None) -> Conversation:
    return to_conversation(Row(PLACE, values), fields)


def refused(values: Any, fields: dict[str, str] | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        read(values, fields)
    assert caught.value.place
    assert (caught.value.place.file, caught.value.place.line) == ("rows.jsonl", 7)
    return caught.value
