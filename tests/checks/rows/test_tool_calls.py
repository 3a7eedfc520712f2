"""Calls that no program can carry out are found; calls in every usual way of writing them pass."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.rows import tool_calls
from sanetune.checks.rows._calls import call_faults
from sanetune.data.conversation import Conversation
from sanetune.finding import Verdict
from tests.checks.chats import chat, chats, judged, read, roles

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
ASKED = {"role": "user", "content": "Is it raining?"}
RESULT = {"role": "tool", "content": "rain"}
ANSWER = {"role": "assistant", "content": "Yes."}


def call(arguments: Any, name: str = "weather", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def calling(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": list(calls)}


def row(*messages: dict[str, Any], tools: list[dict[str, Any]] | None = TOOLS) -> Conversation:
    one = chat(*messages)
    one.tools = tools
    return one


def faults(conversation: Conversation) -> list[str]:
    return [fault.kind for fault in call_faults(conversation)]


@pytest.mark.parametrize(
    ("arguments", "kind", "detail"),
    [
        ('{"city": "Oslo', "unparsed", "a bracket is not closed"),
        ("{'city': 'Oslo', 'now': True}", "unparsed", "written as Python"),
        ("Oslo", "unparsed", "not JSON"),
        ('["Oslo"]', "unparsed", "not an object"),
        ({}, "refused", "'city' is a required property"),
        ({"city": 7}, "refused", "7 is not of type 'string'"),
        ({"city": "Oslo", "days": "two"}, "refused", "days: 'two' is not of type 'integer'"),
        ({"city": "Oslo", "unit": "K"}, "refused", "is not one of"),
        ({"city": "Oslo", "town": "Oslo"}, "refused", "'town' was unexpected"),
    ],
)
def test_arguments_that_do_not_parse_or_break_the_schema_say_why(arguments: Any, kind: str, detail: str) -> None:
    (fault,) = call_faults(row(ASKED, calling(call(arguments))))
    assert (fault.kind, fault.message) == (kind, 1) and detail in fault.detail


def test_a_tool_that_is_not_declared_gets_the_nearest_name() -> None:
    (fault,) = call_faults(row(ASKED, calling(call({"city": "Oslo"}, "weathr"))))
    assert fault.kind == "undeclared" and "Did you mean weather?" in fault.detail


def test_tools_that_nobody_declares_are_found_unless_a_message_names_them() -> None:
    assert faults(row(ASKED, calling(call({"city": "Oslo"})), tools=None)) == ["none_declared"]
    named = {"role": "system", "content": "Tools: weather(city), time(city)."}
    assert faults(row(named, ASKED, calling(call({"city": "Oslo"})), tools=None)) == []


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([ASKED, calling(call({"city": "A"})), RESULT, ANSWER], []),
        ([ASKED, calling(call({"city": "A"}))], []),
        ([ASKED, calling(call({"city": "A"})), ANSWER], ["unanswered"]),
        ([ASKED, calling(call({"city": "A"})), ASKED, ANSWER], ["unanswered"]),
        ([ASKED, calling(call({"city": "A"}), call({"city": "B"})), RESULT, ANSWER], ["unanswered"]),
        ([ASKED, calling(call({"city": "A"}), call({"city": "B"})), RESULT, RESULT, ANSWER], []),
        ([ASKED, calling(call({"city": "A"}), call({"city": "B"})), RESULT], []),
        ([ASKED, calling(call({"city": "A"})), RESULT, RESULT, ANSWER], ["uncalled"]),
        ([ASKED, RESULT, ANSWER], ["uncalled"]),
        ([ASKED, ANSWER, RESULT, ANSWER], ["uncalled"]),
        ([RESULT, ASKED, ANSWER], ["uncalled"]),
        ([ASKED, calling(call({"city": "A"})), {"role": "user", "content": "<tool_response>rain"}, ANSWER], []),
    ],
)
def test_calls_and_results_belong_together(messages: list[dict[str, Any]], expected: list[str]) -> None:
    assert faults(row(*messages)) == expected


def test_ids_say_which_result_is_missing() -> None:
    two = calling(call({"city": "A"}, id="1"), call({"city": "B"}, id="2"))
    first, second, other = (RESULT | {"tool_call_id": number} for number in "123")
    assert faults(row(ASKED, two, second, first, ANSWER)) == []
    assert sorted(faults(row(ASKED, two, first, other, ANSWER))) == ["unanswered", "uncalled"]
    assert faults(row(ASKED, two, first, ANSWER)) == ["unanswered"]


def test_calls_inside_the_text_of_an_answer_are_read() -> None:
    def said(text: str) -> Conversation:
        return row(ASKED, {"role": "assistant", "content": text}, RESULT, ANSWER)

    assert faults(said('<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>')) == []
    assert faults(said('<tool_call>\n{"name": "weather", "arguments": {"city": ')) == ["unparsed"]
    assert faults(said('<tool_call>{"name": "weathr", "arguments": {}}</tool_call>')) == ["undeclared"]
    assert faults(said("weather(city='Oslo')")) == []


def test_a_program_as_argument_of_an_interpreter_is_no_json_and_need_not_be() -> None:
    assert faults(row(ASKED, calling(call("print(2 + 2)", "python")), RESULT, ANSWER, tools=None)) == ["none_declared"]


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {"type": "dict", "properties": {"city": {"type": "str"}, "more": {"type": "any"}}},
        {"type": "OBJECT", "properties": {"city": {"type": "STRING", "nullable": True}}},
        {"city": {"type": "str", "description": "The city."}},
        {"type": "object", "properties": {"city": {"type": "string", "required": True, "enum": None}}},
        {"type": "object", "properties": {"city": {"$ref": "http://example.org/schema"}}},
        {"$ref": "#"},
        {"$defs": {f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(40)}, "$ref": "#/$defs/a0"},
    ],
)
def test_schemas_in_other_dialects_or_without_sense_refuse_nothing(schema: Any) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    assert faults(row(ASKED, calling(call({"city": "Oslo", "day": None})), tools=tools)) == []


def test_a_pattern_of_a_stranger_is_not_matched() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "pattern": "(a+)+$"}}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    assert faults(row(ASKED, calling(call({"city": "a" * 60 + "!"})), tools=tools)) == []


def test_the_share_of_broken_rows_decides_and_the_reason_is_shown() -> None:
    sound = [row(ASKED, calling(call({"city": "Oslo"})), RESULT, ANSWER) for _ in range(40)]
    broken = [row(ASKED, calling(call("{")), RESULT, ANSWER) for _ in range(6)]
    measured, judgement = judged(tool_calls, chats([*sound, *broken[:1]]))
    assert judgement.verdict is Verdict.WARN
    assert "Of 41 rows with tools: 1 (2.4 %) with arguments that are not a JSON object." in judgement.message
    assert "a bracket is not closed" in measured.witnesses[0].note and measured.witnesses[0].place.message == 1
    assert judged(tool_calls, chats([*sound, *broken]))[1].verdict is Verdict.FAIL


def test_rows_without_tools_are_a_skip() -> None:
    with pytest.raises(NotApplicableError, match="no row uses tools"):
        judged(tool_calls, chats([roles("u a")]))


def test_real_calls_pass_and_each_way_of_breaking_them_is_found(shared: Path) -> None:
    rows = read(shared / "data/messages/drone_training.jsonl")
    measured, judgement = judged(tool_calls, chats(rows))
    assert judgement.verdict is Verdict.PASS and measured.numbers["rows"] == 103

    def broken(change: Any) -> list[Conversation]:
        found = copy.deepcopy(rows)
        for one in found:
            change(one.messages[-1]["tool_calls"][0]["function"], one)
        return found

    chance = random.Random(0)
    required = [n for n, one in enumerate(rows) if one.messages[-1]["tool_calls"][0]["function"]["arguments"]]
    ways = {
        "unparsed": lambda function, one: function.update(arguments=str(function["arguments"] or {"a": 1})),
        "undeclared": lambda function, one: function.update(name=f"{function['name']}{chance.randrange(9)}"),
        "none_declared": lambda function, one: setattr(one, "tools", None),
    }
    named = sum(one.messages[-1]["tool_calls"][0]["function"]["name"] == "reject_request" for one in rows)
    for kind, change in ways.items():
        expected = len(rows) - (named if kind == "none_declared" else 0)  # the system message names that tool
        assert judged(tool_calls, chats(broken(change)))[0].numbers[kind] == expected, kind
    wrong = broken(lambda function, one: function.update(arguments={key: [None] for key in function["arguments"]}))
    found = judged(tool_calls, chats(wrong))[0].numbers["refused"]
    assert found >= 0.9 * len(required), (found, len(required))
