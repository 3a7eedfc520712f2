"""Conversations written to disk as a run has them, for tests of checks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from sanetune.checks.base import Check
from sanetune.data import conversation_table
from sanetune.data.conversation import Conversation
from sanetune.errors import Place
from sanetune.evidence.conversations import ConversationSplit, ConversationStore
from sanetune.finding import Judgement, Measurement


def chat(*turns: str | dict[str, Any], system: str = "", row: int = 0, file: str = "chats.jsonl") -> Conversation:
    """User and assistant in turn; a dict stands for a whole message."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for number, turn in enumerate(turns):
        role = "assistant" if number % 2 else "user"
        messages.append(turn if isinstance(turn, dict) else {"role": role, "content": turn})
    return Conversation(messages, Place(file, row + 1, row))


def roles(text: str) -> Conversation:
    """``"s u a"``: a conversation with these roles; ``c`` is the assistant calling a tool, ``t`` the tool."""
    names = {"s": "system", "u": "user", "a": "assistant", "c": "assistant", "t": "tool"}
    messages: list[dict[str, Any]] = []
    for number, letter in enumerate(text.split()):
        message = {"role": names[letter], "content": "" if letter == "c" else f"words of turn {number}."}
        if letter == "c":
            message["tool_calls"] = [{"type": "function", "function": {"name": "look", "arguments": {"at": number}}}]
        messages.append(message)
    return Conversation(messages, Place("chats.jsonl", 1, 0))


def side(name: str, conversations: Iterable[Conversation]) -> ConversationSplit:
    """The conversations as a split on disk; rows get numbers where they have none of their own."""
    numbered = list(conversations)
    for number, one in enumerate(numbered):
        if not one.place.row:
            one.place = Place(one.place.file, number + 1, number)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "chats.arrow"
        conversation_table.write(numbered, file)
        table = pa.ipc.open_stream(file.read_bytes()).read_all()
    return ConversationSplit(name, table, list(range(table.num_rows)))


def chats(train: Iterable[Conversation], validation: Iterable[Conversation] = ()) -> ConversationStore:
    """Both splits; validation is in a file of its own."""
    validated = [Conversation(c.messages, Place("validation.jsonl", None, 0), c.tools, text=c.text) for c in validation]
    return ConversationStore(side("train", train), side("validation", validated))


def judged(module: Any, *evidence: Any) -> tuple[Measurement, Judgement]:
    """What a check says about evidence, with its own limits."""
    check = Check.of(module)
    measured = check.measured(evidence, check.defaults)
    return measured, check.judge(measured, check.defaults)


def read(file: Path, fields: dict[str, str] | None = None) -> list[Conversation]:
    """The conversations of a data file."""
    from sanetune.data.conversation_reader import read_conversations
    from sanetune.data.sources.source import Source

    return list(read_conversations([Source(str(file))], fields=fields))


def clean(shared: Path) -> dict[str, ConversationStore]:
    """Real data without known faults, split as a run would, and the demo's letters."""
    import sanetune.demo
    from sanetune.data.holdout import prompt_key, split

    demo = Path(sanetune.demo.__file__).parent / "data"
    found = {"demo": chats(read(demo / "train.jsonl"), read(demo / "validation.jsonl"))}
    files = {
        "alpaca": "alpaca/instruction-data.json",
        "sharegpt": "sharegpt/dummy_conversation.json",
        "gsm8k": "gsm8k/test.jsonl",
        "drone": "messages/drone_training.jsonl",
    }
    for name, file in files.items():
        rows = read(shared / "data" / file)
        train, validation = split([prompt_key(row) for row in rows], 0.15, 0)
        found[name] = chats([rows[i] for i in train], [rows[i] for i in validation])
    return found
