"""Every dialect of a chat message becomes one shape; a message that cannot be read is said in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.one_row import REPLY, USER, read, refused

CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "assistant", "tool_calls": [{"id": "c1", **CALL}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": '{"a": 1}'}}],
        },
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "name": "add", "arguments": {"a": 1}}]},
        {"role": "assistant", "tool_calls": json.dumps([{"id": "c1", **CALL}])},
    ],
)
def test_tool_calls_come_out_in_one_shape_with_their_arguments_as_an_object(turn: dict[str, Any]) -> None:
    tool = {"role": "tool", "content": "3", "tool_call_id": "c1", "name": "add"}
    call = {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", **CALL}]}
    assert read({"messages": [USER, turn, tool]}).messages == [USER, call, tool]


def test_older_ways_to_call_functions_are_understood() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    legacy = [
        {"role": "assistant", "function_call": CALL["function"]},
        {"role": "function", "name": "add", "content": "3"},
    ]
    assert read({"messages": legacy}).messages == [call, {"role": "tool", "content": "3", "name": "add"}]
    said = json.dumps(CALL["function"])
    sharegpt = [
        {"from": "function_call", "value": said},
        {"from": "observation", "value": "3"},
        {"from": "tool", "value": "4"},
    ]
    assert [m["role"] for m in read({"conversations": sharegpt}).messages] == ["assistant", "tool", "tool"]
    assert read({"conversations": sharegpt}).messages[0] == call
    for arguments, wanted in (("", {}), (None, {}), ("not json", "not json"), ("[1]", "[1]")):
        odd = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
        assert read({"messages": [odd]}).messages[0]["tool_calls"][0]["function"]["arguments"] == wanted


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_has_one_name(key: str) -> None:
    assert read({"messages": [USER, {**REPLY, key: "Greet."}]}).messages[1] == {**REPLY, "reasoning_content": "Greet."}


def test_typed_parts_are_joined_and_thinking_parts_are_reasoning() -> None:
    parts = [
        {"type": "thinking", "thinking": "Greet."},
        {"type": "text", "text": "Hel"},
        {"type": "output_text", "text": "lo."},
    ]
    message = read({"messages": [USER, {"role": "assistant", "content": parts}]}).messages[1]
    assert message == {**REPLY, "reasoning_content": "Greet."}


def test_tools_and_template_variables_come_along() -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    for tools in ([tool], json.dumps([tool]), [tool["function"]]):
        assert read({"messages": [USER, REPLY], "tools": tools}).tools == [tool]
    assert read({"messages": [USER], "functions": [tool["function"]]}).tools == [tool]
    kwargs = {"enable_thinking": False}
    assert read({"prompt": "a", "chat_template_kwargs": kwargs}).template_kwargs == kwargs
    assert read({"prompt": "a", "chat_template_kwargs": json.dumps(kwargs)}).template_kwargs == kwargs


def test_an_unknown_role_is_reported_with_its_message_and_its_neighbours() -> None:
    error = refused({"messages": [USER, {"role": "assitant", "content": "x"}]})
    assert str(error).startswith("rows.jsonl:7, row 6, message 1: unknown role 'assitant'")
    assert "Did you mean assistant?" in error.remedy
    assert "developer" in error.remedy
    assert "unknown role 'wizard'" in refused({"conversations": [{"from": "wizard", "value": "x"}]}).message
    assert "unknown role 'nothing'" in refused({"messages": [{"role": None, "content": "x"}]}).message.replace(
        "None", "nothing"
    )


BAD: list[tuple[Any, str]] = [
    ([1], "not an object"),
    ({}, "no columns"),
    ({"messages": []}, "`messages` is empty"),
    ({"messages": "Hi"}, "text that is not JSON"),
    ({"messages": 5}, "not a list of messages"),
    ({"messages": ["Hi"]}, "a list of texts, not of messages"),
    ({"messages": [{"content": "x"}]}, "without a role; it has content"),
    ({"messages": [{"role": "user", "body": "x"}]}, "without content; it has role, body"),
    ({"messages": [{"role": "user", "content": 5}]}, "content is a number"),
    ({"messages": [{"role": "user", "content": {"a": 1}}]}, "content is an object"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "part of type 'image_url'"),
    ({"messages": [{"role": "user", "content": "x", "images": ["a.png"]}]}, "holds `images`"),
    ({"messages": [{**REPLY, "weight": 0.5}]}, "weight 0.5, neither yes nor no"),
    ({"messages": [{**REPLY, "mask": 1}]}, "mask 1, neither yes nor no"),
    ({"messages": [{**REPLY, "train": True, "masked": True}]}, "train, masked contradict each other"),
    (
        {"messages": [{**REPLY, "train_detail": [{"begin_offset": 0, "end_offset": 99, "train": True}]}]},
        "not understood",
    ),
    ({"messages": [{**USER, "tool_calls": [CALL]}]}, "role user"),
    ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "without a function's name"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": 5}]}]},
        "arguments of f are a number",
    ),
    ({"messages": [{**REPLY, "reasoning": ["x"]}]}, "the reasoning is a list of 1"),
    ({"messages": [{"role": "user", "content": "half \ud83d"}]}, "half of a character (\\ud83d) at position 5"),
    ({"messages": [USER], "tools": ["f"]}, "a list with text"),
    ({"messages": [USER], "tools": "f"}, "`tools` is text that is not JSON"),
    ({"messages": [USER], "chat_template_kwargs": [1]}, "not an object"),
    ({"messages": [{"role": "system", "content": "a"}], "system": "b"}, "two system prompts"),
    ({"question": "a", "answer": 4}, "the reply is a number"),
    ({"prompt": b"a", "completion": "b"}, "the question is bytes"),
    ({"instruction": "a", "input": 4, "output": "b"}, "`input` is a number"),
    ({"text": 5}, "no format is recognised"),
]


@pytest.mark.parametrize(("values", "what"), BAD)
def test_what_is_wrong_with_a_row_is_said_in_words(values: Any, what: str) -> None:
    assert what in refused(values).message


def test_python_in_a_cell_is_reported_from_json() -> None:
    assert "json.dumps" in refused({"messages": "[{'role': 'user', 'content': 'Hi'}]"}).remedy


def test_nesting_has_an_end() -> None:
    deep: Any = {}
    for _ in range(3000):
        deep = {"a": deep}
    for values in (
        {"messages": [USER], "tools": [deep]},
        {"messages": [USER], "chat_template_kwargs": deep},
        {"messages": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": deep}]}]},
    ):
        assert "nested more than 64 deep" in refused(values).message


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, float("inf"), float("-inf")])
def test_a_number_that_no_json_reader_holds_is_said(number: float) -> None:
    """They are kept as JSON with numbers of 64 bits; anything else would come back as another value."""
    for values in (
        {"messages": [USER], "tools": [{"name": "f", "n": number}]},
        {"messages": [USER], "chat_template_kwargs": {"n": [number]}},
        {"messages": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"n": number}}]}]},
    ):
        assert f"the number {str(number)[:20]}" in refused(values).message
    assert read({"messages": [USER], "tools": [{"name": "f", "n": 1e300, "m": 2**64 - 1}]}).tools


turns = st.lists(
    st.tuples(st.sampled_from(["user", "assistant"]), st.text(st.characters(exclude_categories=["Cs"]))), min_size=1
)


@given(turns=turns)
def test_openai_and_sharegpt_say_the_same(turns: list[tuple[str, str]]) -> None:
    names = {"user": "human", "assistant": "gpt"}
    chat = [{"role": role, "content": text} for role, text in turns]
    share = [{"from": names[role], "value": text} for role, text in turns]
    assert read({"messages": chat}).messages == read({"conversations": share}).messages == chat
    assert read({"messages": json.dumps(chat)}).messages == chat
