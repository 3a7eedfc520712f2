"""Of rows for preference training the wanted answers are learned; of trees, the best path; of instances, each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sanetune.data.conversation_reader import read_conversations
from sanetune.data.formats import convert
from sanetune.data.sources.row import Row
from sanetune.data.sources.source import Source
from sanetune.errors import DataError
from tests.data.one_row import PLACE, REPLY, USER, read, refused

BAD = {"role": "assistant", "content": "Go away."}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi?", "chosen": "Hello.", "rejected": "Go away."},
        {"prompt": "Hi?", "chosen": [USER, REPLY], "rejected": [USER, BAD]},
        {"chosen": [USER, REPLY], "rejected": [USER, BAD]},
        {"prompt": [USER], "chosen": [REPLY], "rejected": [BAD]},
        {"question": "Hi?", "chosen": "Hello.", "rejected": "Go away."},
        {"instruction": "Hi?", "input": "", "chosen": "Hello.", "rejected": "Go away."},
        {"conversations": [USER], "chosen": REPLY, "rejected": BAD},
        {"chosen": "\n\nHuman: Hi?\n\nAssistant: Hello.", "rejected": "\n\nHuman: Hi?\n\nAssistant: Go away."},
        {"prompt": "Hi?", "preferred": "Hello.", "dispreferred": "Go away."},
    ],
)
def test_of_a_pair_the_wanted_answer_is_learned_and_that_is_said(row: dict[str, Any]) -> None:
    result = convert(Row(PLACE, row))
    assert result.format == "preference"
    assert result.conversation.messages == [USER, REPLY]
    assert "the wanted answer alone is used" in result.unread.notes[0]


def test_a_pair_without_a_question_says_how_to_map_it() -> None:
    error = refused({"chosen": "Hello.", "rejected": "Go away.", "src": "Hi?"})
    assert "without a question" in error.message
    assert "completion: chosen" in error.remedy


@pytest.mark.parametrize(("label", "kept"), [(True, True), (False, False), ("True", True), ("false", False)])
def test_an_answer_whose_label_is_false_is_left_out(label: object, kept: bool) -> None:
    for row in ({"prompt": "Hi?", "completion": "Hello."}, {"messages": [USER, REPLY]}):
        assert (convert(Row(PLACE, {**row, "label": label})).left_out == "") is kept
    assert convert(Row(PLACE, {"text": "Hi?", "label": False})).left_out == "", "the class of a text"


def test_a_number_is_a_label_where_data_fields_say_so() -> None:
    row = {"prompt": "Hi?", "completion": "Hello.", "label": 0}
    assert convert(Row(PLACE, row)).left_out == ""
    fields = {"prompt": "prompt", "completion": "completion", "label": "label"}
    assert convert(Row(PLACE, row), fields).left_out
    assert "neither true nor false" in refused({**row, "label": 3}, fields).message


def reader(path: Path, rows: list[dict[str, Any]], **more: Any) -> Any:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_conversations([Source(str(path))], **more)


def test_rejected_answers_are_counted(tmp_path: Path) -> None:
    rows = [{"prompt": f"Hi {n}?", "completion": "Hello.", "label": n % 2 == 0} for n in range(300)]
    found = reader(tmp_path / "a.jsonl", rows)
    assert len(list(found)) == 150
    assert dict(found.left_out) == {"rejected answer (`label` is false)": 150}
    with pytest.raises(DataError, match="no row is to be trained on"):
        list(reader(tmp_path / "b.jsonl", rows[1::2]))


def tree(number: int) -> dict[str, Any]:
    def node(text: str, role: str, rank: int | None, *replies: dict[str, Any]) -> dict[str, Any]:
        return {"text": text, "role": role, "rank": rank, "replies": list(replies)}

    last = node("Thanks.", "prompter", None)
    good = node("good", "assistant", 0, node("More?", "prompter", None, node("more", "assistant", None, last)))
    return node(f"Q {number}?", "prompter", None, node("bad", "assistant", 1), good)


PATH = ["Q 0?", "good", "More?", "more"]


@pytest.mark.parametrize("row", [{"prompt": tree(0), "message_tree_id": "t"}, tree(0)])
def test_of_a_tree_the_best_path_is_learned(row: dict[str, Any]) -> None:
    result = convert(Row(PLACE, row))
    assert [m["content"] for m in result.conversation.messages] == PATH
    assert [m["role"] for m in result.conversation.messages] == ["user", "assistant"] * 2
    assert {"bad", "Thanks."} <= {v["text"] if isinstance(v, dict) else v for _, v in result.unread.values}


def flat(node: dict[str, Any], above: str | None, name: str) -> list[dict[str, Any]]:
    plain = {key: value for key, value in node.items() if key != "replies"}
    rows = [{"message_id": name, "parent_id": above, **plain}]
    for number, reply in enumerate(node["replies"]):
        rows += flat(reply, name, f"{name}.{number}")
    return rows


def test_messages_with_parents_become_one_conversation_for_each_tree(tmp_path: Path) -> None:
    rows = [row for number in range(5) for row in flat(tree(number), None, f"t{number}")]
    found = reader(tmp_path / "a.jsonl", rows)
    conversations = list(found)
    assert [[m["content"] for m in c.messages] for c in conversations] == [[f"Q {n}?", *PATH[1:]] for n in range(5)]
    assert [c.place.line for c in conversations] == [1, 7, 13, 19, 25]
    assert dict(found.formats) == {"reply-tree": 5}
    assert len(list(reader(tmp_path / "a.jsonl", rows, max_examples=3))) == 3
    with pytest.raises(DataError, match="not before it in its tree"):
        list(reader(tmp_path / "b.jsonl", rows[::-1]))
    with pytest.raises(DataError, match="without a role"):
        list(reader(tmp_path / "c.jsonl", [{k: v for k, v in row.items() if k != "role"} for row in rows]))
    texts = reader(tmp_path / "d.jsonl", rows, fields={"text": "text"})
    assert len(list(texts)) == 30, "as plain text where that is asked for"


def test_every_instance_of_an_instruction_is_a_conversation(tmp_path: Path) -> None:
    row = {"instruction": "Add.", "instances": [{"input": "1 1", "output": "2"}, {"input": "2 2", "output": "4"}]}
    conversations = list(reader(tmp_path / "a.jsonl", [row]))
    assert [[m["content"] for m in c.messages] for c in conversations] == [["Add.\n\n1 1", "2"], ["Add.\n\n2 2", "4"]]
    fields = {"prompt": "instruction", "input": "instances.0.input", "completion": "instances.0.output"}
    assert read(row, fields).messages[1]["content"] == "2"
    with pytest.raises(DataError, match="not a list of inputs and outputs"):
        list(reader(tmp_path / "b.jsonl", [{**row, "instances": "x"}]))


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        ({"options": ["Lima", "Oslo"]}, "A. Lima\nB. Oslo"),
        ({"choices": {"label": ["1", "2"], "text": ["Lima", "Oslo"]}}, "1. Lima\n2. Oslo"),
        ({"choices": {"A": "Lima", "B": "Oslo"}}, "A. Lima\nB. Oslo"),
        ({"options": ["(a) Lima", "(b) Oslo"]}, "(a) Lima\n(b) Oslo"),
        ({"option_a": "Lima", "option_b": "Oslo"}, "A. Lima\nB. Oslo"),
        ({"A": "Lima", "B": "Oslo"}, "A. Lima\nB. Oslo"),
    ],
)
def test_the_options_of_a_question_stand_below_it(columns: dict[str, Any], lines: str) -> None:
    row = {"question": "Capital of Peru?", "answer": "A", **columns}
    result = convert(Row(PLACE, row))
    assert result.conversation.messages[0]["content"] == f"Capital of Peru?\n\n{lines}"
    assert result.unread.notes and not result.unread.values
    assert "from 0, others from 1" in refused({**row, "answer": 0}).rationale


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{**USER, "content": "<image>\nWhat is it?"}, REPLY]},
        {"prompt": "What is <|image_pad|>?", "completion": "A cat."},
        {"messages": [USER, REPLY], "images": ["a.png"]},
        {"question": "Hi?", "answer": "Hello.", "image": "a.png"},
    ],
)
def test_rows_with_pictures_are_refused(row: dict[str, Any]) -> None:
    assert "Only text is trained" in refused(row).rationale


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{**USER, "content": "What does <image>a.png</image> mean in RSS?"}, REPLY]},
        {"messages": [{**USER, "content": "LLaVA writes `<image>` there."}, REPLY]},
        {"messages": [{**USER, "content": '<svg><image href="a"/></svg>'}, REPLY], "images": []},
    ],
)
def test_text_about_pictures_is_text(row: dict[str, Any]) -> None:
    assert read(row).messages[0]["content"]
