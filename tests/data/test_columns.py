"""Columns are found by their usual names or by data.fields; what is not found is said with what is there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sanetune.data.columns import find
from sanetune.data.fields import CANONICAL
from sanetune.errors import ConfigError
from tests.data.one_row import REPLY, USER, read, refused


def test_columns_of_any_name_are_named_in_data_fields() -> None:
    assert read({"info": {"history": [USER, REPLY]}, "text": "x"}, {"messages": "info.history"}).messages == [
        USER,
        REPLY,
    ]
    assert read({"info.history": [USER, REPLY]}, {"messages": "info.history"}).messages == [USER, REPLY]
    row = {"src": "Hi?", "tgt": "Hello.", "who": "Be kind.", "more": "x", "why": "Greet.", "fn": '[{"name": "f"}]'}
    fields = {"prompt": "src", "completion": "tgt", "system": "who", "input": "more", "reasoning": "why", "tools": "fn"}
    conversation = read(row, fields)
    assert [m["content"] for m in conversation.messages] == ["Be kind.", "Hi?\n\nx", "Hello."]
    assert conversation.messages[2]["reasoning_content"] == "Greet."
    assert conversation.tools
    assert read({"body": "Once"}, {"text": "body"}).text == "Once"
    assert read({"messages": [USER, REPLY], "sp": "Be kind."}, {"system": "sp"}).messages[0]["role"] == "system"


def test_a_column_that_data_fields_names_and_the_row_lacks_is_reported() -> None:
    error = refused({"traje": [USER], "reward": 1.0}, {"messages": "traj"})
    assert "no column `traj`" in error.message
    assert "traje (a list of 1), reward (a number)" in error.rationale
    assert "Did you mean traje?" in error.remedy
    assert "is empty" in refused({"traj": None}, {"messages": "traj"}).message


@pytest.mark.parametrize(
    "fields", [{"mesages": "a"}, {"messages": "a", "prompt": "b"}, {"completion": "b"}, {"prompt": 3}]
)
def test_data_fields_that_mean_nothing_are_an_error_of_the_configuration(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"data\.fields"):
        read({"a": [USER], "b": "x"}, fields)


def test_a_list_of_messages_under_another_name_is_offered_as_data_fields() -> None:
    error = refused({"traj": [USER, REPLY], "reward": 1})
    assert "Columns found: traj (a list of 2), reward (a number)." in error.rationale
    assert "data.fields: {messages: traj}" in error.remedy
    assert "instruction" in error.remedy
    assert "{messages: info.chat}" in refused({"info": {"chat": [{"from": "human", "value": "x"}]}}).remedy
    assert "Did you mean completion" in refused({"complettion": "b"}).remedy


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"goal": "a", "reasoning": "b", "final": "c"}, "{prompt: goal, completion: final}"),
        ({"patterns": ["Hi there", "A b"], "responses": ["C d"]}, "{prompt: patterns.0, completion: responses.0}"),
        ({"x": "a", "y": "b"}, "{prompt: x, completion: y}"),
        ({"id": "row-1", "Frage": "Was ist das?", "Antwort": "Ein Haus."}, "{prompt: Frage, completion: Antwort}"),
        ({"target": "A house.", "promt": "What is it?"}, "{prompt: promt, completion: target}"),
        ({"output": "A house.", "input_text": "What is it?"}, "{prompt: input_text, completion: output}"),
        ({"to ask: now": "a", "yes": "b"}, '{prompt: "to ask: now", completion: "yes"}'),
        ({"body": "Once upon a time"}, "{prompt: body, completion: …}"),
    ],
)
def test_columns_of_other_names_are_shown_as_data_fields_would_name_them(values: dict[str, Any], fields: str) -> None:
    assert f"data.fields: {fields}" in refused(values).remedy


def test_only_a_slip_is_taken_for_a_usual_name() -> None:
    assert "Did you mean prompt? " in refused({"promt": "a", "destination": "b"}).remedy
    for names in (("input", "destination"), ("Frage", "Antwort"), ("source", "destination")):
        assert "Did you mean" not in refused(dict.fromkeys(names, "What is it?")).remedy, names


@pytest.mark.parametrize("orient", ["split", "index", "table", "columns"])
def test_a_table_that_pandas_wrote_as_one_object_is_named(orient: Any) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"ask": ["2 + 2?", "3 + 3?"], "say": ["4", "6"]}, index=[7, 3])
    error = refused(json.loads(frame.to_json(orient=orient)))
    assert f"orient='{orient}'" in error.message and "orient='records', lines=True" in error.remedy


def test_two_columns_that_could_be_the_reply_are_not_chosen_between() -> None:
    error = refused({"prompt": "a", "output": "b", "response": "c"})
    assert "response, output" in error.message
    assert "data.fields: {prompt: prompt, completion: response}" in error.remedy
    assert "which column is the reply" in refused({"question": "a", "text": "b"}).message


def test_messages_about_hostile_rows_are_short_and_printable() -> None:
    for values in (
        {"\x1b[2J" * 500: "x"},
        {f"column{i}": "x" * 10**5 for i in range(300)},
        {"messages": "\x1b" * 10**6},
    ):
        text = str(refused(values))
        assert "\x1b" not in text
        assert len(text) < 3000


def test_canonical_names_are_those_of_the_documentation() -> None:
    names = {"messages", "prompt", "completion", "system", "input", "text", "tools", "reasoning", "options", "label"}
    assert set(CANONICAL) == names


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Instruction", "Output"),
        ("QUESTION", "ANSWER"),
        ("Prompt", "Completion"),
        ("problem", "solution"),
        ("user", "assistant"),
    ],
)
def test_usual_names_are_read_in_capitals_too(question: str, answer: str) -> None:
    _, found = find({question: "2 + 2?", answer: "4", "Id": 7}, None)
    assert (found["prompt"], found["completion"]) == ("2 + 2?", "4")


def test_a_column_that_data_fields_names_keeps_its_capitals() -> None:
    fields = {"prompt": "Question + Context", "completion": "Answer"}
    _, found = find({"Question": "2 + 2?", "Context": "Sums.", "Answer": "4", "question": "old"}, fields)
    assert "2 + 2?" in found["prompt"] and "Sums." in found["prompt"] and found["completion"] == "4"


def test_messages_beside_a_reply_to_all_of_them_are_refused_with_both_ways_to_read_them() -> None:
    error = refused({"dialogue": [USER, REPLY], "summary": "They greet."})
    assert "{messages: dialogue}" in error.remedy and "to learn `summary`" in error.remedy
    assert read({"dialogue": [USER, REPLY], "question": "Who?", "answer": "Both."}).messages[0]["content"] == "Who?"
    assert "{messages: chat}" in refused({"chat": json.dumps([USER, REPLY])}).remedy
    assert "the messages of each conversation as one row" in refused(USER).remedy
