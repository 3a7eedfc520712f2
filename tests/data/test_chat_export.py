"""ChatGPT exports: the path from the message that is shown last to the root, whatever else was answered."""

from __future__ import annotations

from typing import Any

import pytest

from sanetune.data.formats import ReadRow
from sanetune.data.formats import convert as converted
from sanetune.data.sources.row import Row
from sanetune.errors import Place
from tests.data.one_row import refused


def message(role: str, *parts: Any, kind: str = "text", **more: Any) -> dict[str, Any]:
    content = (
        {"content_type": kind, "parts": list(parts)} if kind != "code" else {"content_type": kind, "text": parts[0]}
    )
    return {"id": "x", "author": {"role": role, "name": more.pop("name", None)}, "content": content, "weight": 1.0,
            "recipient": "all", "metadata": {}, **more}  # fmt: skip


def export(last: str, **nodes: tuple[str | None, Any]) -> dict[str, Any]:
    """``nodes``: key -> (key of the one above, message)."""
    mapping = {
        key: {"id": key, "message": said, "parent": above, "children": [k for k, one in nodes.items() if one[0] == key]}
        for key, (above, said) in nodes.items()
    }
    return {"title": "Rivers", "create_time": 1.5, "mapping": mapping, "current_node": last}


TREE = {
    "root": (None, None),
    "hidden": ("root", message("system", "")),
    "ask": ("hidden", message("user", "Which river?")),
    "first": ("ask", message("assistant", "The Seine.")),
    "again": ("ask", message("assistant", "The Tiber.")),
    "more": ("again", message("user", "How long?")),
    "end": ("more", message("assistant", "405 km.")),
}


def read(values: dict[str, Any]) -> ReadRow:
    return converted(Row(Place("conversations.json", 1, 0), values))


def said(found: ReadRow) -> list[tuple[str, str]]:
    return [(one["role"], one["content"]) for one in found.conversation.messages]


def test_the_path_that_is_shown_is_read_and_the_rest_is_noted() -> None:
    found = read(export("end", **TREE))
    assert found.format == "chat-export"
    assert said(found) == [
        ("user", "Which river?"), ("assistant", "The Tiber."), ("user", "How long?"), ("assistant", "405 km."),
    ]  # fmt: skip
    assert ("mapping", {"parts": ["The Seine."]}) in found.unread.values
    assert found.unread.notes == ["of answers to the same message the one that was shown last is used"]


def test_another_last_message_is_another_conversation() -> None:
    assert said(read(export("first", **TREE))) == [("user", "Which river?"), ("assistant", "The Seine.")]


def test_calls_of_tools_and_their_output_are_kept() -> None:
    found = read(export("d", a=(None, message("user", "Run it.")),
                        b=("a", message("assistant", "print(1)", kind="code", recipient="python")),
                        c=("b", message("tool", "1", kind="execution_output", name="python")),
                        d=("c", message("assistant", "It is 1."))))  # fmt: skip
    _, call, result, _ = found.conversation.messages
    assert call["tool_calls"][0]["function"] == {"name": "python", "arguments": "print(1)"}
    assert (result["role"], result["content"], result["name"]) == ("tool", "1", "python")


def test_summaries_of_thoughts_and_hidden_settings_are_noted() -> None:
    thoughts = {
        **message("assistant"),
        "content": {"content_type": "thoughts", "thoughts": [{"content": "Hm, rivers."}]},
    }
    hidden = message("user", "Be brief.", metadata={"is_visually_hidden_from_conversation": True})
    found = read(export("d", a=(None, hidden), b=("a", message("user", "Which?")), c=("b", thoughts),
                        d=("c", message("assistant", "The Tiber."))))  # fmt: skip
    assert said(found) == [("user", "Which?"), ("assistant", "The Tiber.")]
    noted = str(found.unread.values)
    assert "Hm, rivers." in noted and "Be brief." in noted


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (export("gone", **TREE), "does not have"),
        (export("a", a=("b", message("user", "x")), b=("a", message("user", "y"))), "does not have"),
        (export("a", a=(None, message("user", {"content_type": "image_asset_pointer"}, "See?"))), "no text"),
        (export("a", a=(None, {**message("user"), "content": {"content_type": "text", "parts": 7}})), "not a list"),
    ],
)
def test_what_cannot_be_read_is_refused(values: dict[str, Any], words: str) -> None:
    assert words in refused(values).message
