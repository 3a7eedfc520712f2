"""Calls are read as templates write them, and judged by the tool's schema."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.engine.answer import Answer
from sanetune.workflows.comparing.answer_calls import calls_rightly, with_calls
from sanetune.workflows.comparing.result import AskedPrompt

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
CALL = json.dumps({"name": "weather", "arguments": {"city": "Oslo", "days": 3}})


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (f"<tool_call>\n{CALL}\n</tool_call>", True),
        (f"I will look.\n<tool_call>{CALL}</tool_call>\n<tool_call>{CALL}</tool_call>", True),
        (f"[TOOL_CALLS] [{CALL}]", True),
        (f"[TOOL_CALLS][{CALL}]</s>", True),
        ('<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}<|eom_id|>', True),
        (CALL, True),
        (f"[{CALL}]", True),
        ("It is raining.", False),
        ("", False),
        ('{"city": "Oslo"}', False),
        ('<tool_call>{"name": "weather", "arguments": {"city": "Oslo"', False),
        ('<tool_call>{"name": "weather", "arguments": {}}</tool_call>', False),
        ('<tool_call>{"name": "weather", "arguments": {"city": 5}}</tool_call>', False),
        ('<tool_call>{"name": "climate", "arguments": {"city": "Oslo"}}</tool_call>', False),
        (f'<tool_call>{CALL}</tool_call><tool_call>{{"name": "other", "arguments": {{}}}}</tool_call>', False),
        ("<tool_call>weather('Oslo')</tool_call>", False),
        ("[TOOL_CALLS] nothing", False),
        ("[" * 5_000, False),
        ('{"a":' * 5_000, False),
    ],
)
def test_a_call_is_right_where_a_program_could_make_it(text: str, right: bool) -> None:
    assert calls_rightly(Answer(text, True, 10), [TOOL]) is right


def test_special_tokens_that_the_text_lacks_are_read_from_the_raw_answer() -> None:
    answer = Answer(CALL + " trailing", True, 10, raw=f"<tool_call>{CALL}</tool_call>")
    assert calls_rightly(answer, [TOOL])


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"content": None, "tool_calls": [{"function": {"name": "fly", "arguments": {"m": 7}}}]}, "{}"),
        ({"content": "Up!", "tool_calls": [{"function": {"name": "fly", "arguments": {"m": 7}}}] * 2}, "Up!\n{}\n{}"),
        ({"content": "Up!"}, "Up!"),
    ],
)
def test_the_calls_of_an_answer_in_the_data_are_below_its_text(answer: dict[str, Any], shown: str) -> None:
    messages = [{"role": "user", "content": "Fly"}, {"role": "assistant", **answer}]
    prepared: Any = SimpleNamespace(conversation=lambda split, number: SimpleNamespace(messages=messages))
    asked = AskedPrompt(messages[:1], answer["content"] or "", "validation", 0)
    assert with_calls(prepared, asked).reference == shown.replace("{}", '{"name":"fly","arguments":{"m":7}}')
    own = AskedPrompt(messages[:1])
    assert with_calls(prepared, own) == own
