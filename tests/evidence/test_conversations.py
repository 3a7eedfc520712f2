"""Conversations of a small file are decoded once for all checks, those of a large one each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.data import conversation_table
from sanetune.data.conversation_file import read_sources
from sanetune.evidence import conversations
from sanetune.evidence.conversations import ConversationStore


@pytest.mark.parametrize(("kept", "passes"), [(2**25, 1), (0, 3)])
def test_a_small_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, passes: int) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f'{{"question": "What is {one}?", "answer": "A number, {one}."}}\n' for one in range(20)))
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(conversations, "KEPT", kept)
    config = load({"model": {"name": "none"}, "data": {"train": str(file), "holdout": 0.25}})
    store = ConversationStore.of(read_sources(config.data), config.data)
    decoded: list[int] = []
    whole = conversation_table.from_row
    monkeypatch.setattr(conversation_table, "from_row", lambda row: decoded.append(1) or whole(row))
    for side in store.sides:
        times = [[one.messages for one in side] for _ in range(3)]
        assert times[0] == times[1] == times[2]
        assert len(times[0]) == len(side) > 0
    assert len(decoded) == passes * 20
