"""Rows as well-known data sets and services write them are read as what they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sanetune.data.column_advice import naming
from sanetune.data.column_names import PAIRS
from sanetune.data.formats import ReadRow, convert
from sanetune.data.instances import expanded
from sanetune.data.sources.row import Row
from sanetune.errors import DataError, Place
from tests.data.one_row import refused

Q, A, Q2, A2 = "Which river is in Rome?", "The Tiber.", "And in Paris?", "The Seine."
SYSTEM, THOUGHT = "You know rivers.", "Rome lies on one."
TOOL = {"name": "river", "description": "River of a city", "parameters": {"type": "object", "properties": {}}}
ROME = {"city": "Rome"}
CALL = {"name": "river", "arguments": ROME}
SAYS = {"type": "text", "text": "I look."}


def read(values: Any) -> ReadRow:
    (row,) = expanded(Row(Place("rows.jsonl", 1, 0), values))
    return convert(row)


def turns(values: Any) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in read(values).conversation.messages]


ONE = [("user", Q), ("assistant", A)]
TWO = [*ONE, ("user", Q2), ("assistant", A2)]
LED = [("system", SYSTEM), *ONE]

FORMS: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "FLAN, Aya": ({"inputs": Q, "targets": A}, ONE),
    "FLAN with one of several targets": ({"inputs": Q, "targets": [A]}, ONE),
    "Firefly": ({"kind": "QA", "input": Q, "target": A}, ONE),
    "Vertex": ({"input_text": Q, "output_text": A}, ONE),
    "XSum": ({"document": Q, "summary": A, "id": "1"}, ONE),
    "CNN": ({"article": Q, "highlights": A, "id": "1"}, ONE),
    "SAMSum": ({"dialogue": Q, "summary": A}, ONE),
    "translation in columns": ({"source_text": Q, "target_text": A}, ONE),
    "Natural Questions": ({"question": Q, "answer": [A]}, ONE),
    "Capybara": ({"conversation": [{"input": Q, "output": A}, {"input": Q2, "output": A2}]}, TWO),
    "dialog": ({"id": 3, "dialog": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]}, ONE),
    "dialogue with speakers": ({"dialogue": [{"speaker": "user", "text": Q}, {"speaker": "bot", "text": A}]}, ONE),
    "turns of pairs": ({"turns": [{"user": Q, "assistant": A}, {"user": Q2, "assistant": A2}]}, TWO),
    "chat that ends on a question": ({"chat": [{"from": "human", "value": Q}], "response": A}, ONE),
    "turns by role": ({"messages": [{"user": Q}, {"assistant": A}]}, ONE),
    "turns by role, with a system text": ({"messages": [{"system": SYSTEM}, {"Human": Q}, {"GPT": A}]}, LED),
    "exchanges by role": ({"messages": [{"user": Q, "assistant": A}, {"user": Q2, "assistant": A2}]}, TWO),
    "LIMA": ({"conversations": [Q, A, Q2, A2]}, TWO),
    "a list for each key": ({"messages": {"role": ["user", "assistant"], "content": [Q, A]}}, ONE),
    "ShareGPT with a list for each key": ({"conversations": {"from": ["human", "gpt"], "value": [Q, A]}}, ONE),
    "Gemini": (
        {"contents": [{"role": "user", "parts": [{"text": Q}]}, {"role": "model", "parts": [{"text": A}]}]},
        ONE,
    ),
    "Gemini with a system instruction": (
        {
            "systemInstruction": {"role": "system", "parts": [{"text": SYSTEM}]},
            "contents": [{"role": "user", "parts": [{"text": Q}]}, {"role": "model", "parts": [{"text": A}]}],
        },
        LED,
    ),
    "Bedrock": (
        {
            "system": [{"text": SYSTEM}],
            "messages": [{"role": "user", "content": [{"text": Q}]}, {"role": "assistant", "content": [{"text": A}]}],
        },
        LED,
    ),
    "Claude's export": (
        {"chat_messages": [{"sender": "human", "text": Q}, {"sender": "assistant", "text": A}], "name": "Rivers"},
        ONE,
    ),
    "Natural Instructions": (
        {"Definition": [SYSTEM], "Instances": [{"id": "1", "input": Q, "output": [A]}]},
        [("user", f"{SYSTEM}\n\n{Q}"), ("assistant", A)],
    ),
    "ARC": (
        {"question": Q, "choices": {"text": ["Tiber", "Seine"], "label": ["A", "B"]}, "answerKey": "A"},
        [("user", f"{Q}\n\nA. Tiber\nB. Seine"), ("assistant", "A")],
    ),
    "OpenBookQA": (
        {"question_stem": Q, "choices": {"text": ["Tiber", "Seine"], "label": ["A", "B"]}, "answerKey": "A"},
        [("user", f"{Q}\n\nA. Tiber\nB. Seine"), ("assistant", "A")],
    ),
}


@pytest.mark.parametrize("kind", FORMS)
def test_a_well_known_kind_of_row_is_read(kind: str) -> None:
    values, expected = FORMS[kind]
    assert turns(values) == expected


@pytest.mark.parametrize("column", ["Complex_CoT", "rationale", "cot"])
def test_columns_of_thoughts_are_reasoning(column: str) -> None:
    values = {"source": Q, "target": A} if column == "rationale" else {"Question": Q, "Response": A}
    (_, answer) = read({**values, column: THOUGHT}).conversation.messages
    assert (answer["content"], answer["reasoning_content"]) == (A, THOUGHT)


@pytest.mark.parametrize("written", [json.dumps, list])
def test_answers_that_are_calls_are_calls(written: Any) -> None:
    """xLAM: the reply is a list of calls, as JSON text."""
    found = read({"query": Q, "answers": written([CALL]), "tools": json.dumps([TOOL])})
    _, answer = found.conversation.messages
    assert answer["tool_calls"] == [{"type": "function", "function": CALL}] and answer["content"] == ""
    assert found.conversation.tools == [{"type": "function", "function": TOOL}]
    assert found.unread.values == []


SERVICES = {
    "Anthropic": (
        [
            {"role": "user", "content": Q},
            {"role": "assistant", "content": [SAYS, {"type": "tool_use", "id": "t1", "name": "river", "input": ROME}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "Tiber"}]},
            {"role": "assistant", "content": A},
        ],
        [{"name": "river", "description": "d", "input_schema": TOOL["parameters"]}],
    ),
    "Google": (
        [
            {"role": "user", "parts": [{"text": Q}]},
            {"role": "model", "parts": [{"text": "I look."}, {"functionCall": {"name": "river", "args": ROME}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "river", "response": "Tiber"}}]},
            {"role": "model", "parts": [{"text": A}]},
        ],
        [{"functionDeclarations": [{"name": "river", "description": "d", "parameters": TOOL["parameters"]}]}],
    ),
    "Amazon": (
        [
            {"role": "user", "content": [{"text": Q}]},
            {"role": "assistant", "content": [{"text": "I look."},
                                              {"toolUse": {"toolUseId": "t1", "name": "river", "input": ROME}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "Tiber"}]}}]},
            {"role": "assistant", "content": [{"text": A}]},
        ],
        [{"name": "river", "description": "d", "parameters": TOOL["parameters"]}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
def test_calls_and_results_in_parts_become_messages(service: str) -> None:
    messages, tools = SERVICES[service]
    found = read({"contents" if service == "Google" else "messages": messages, "tools": tools})
    _, call, result, answer = found.conversation.messages
    assert [one["role"] for one in found.conversation.messages] == ["user", "assistant", "tool", "assistant"]
    assert call["content"] == "I look." and call["tool_calls"][0]["function"] == CALL
    assert result["content"] == "Tiber" and answer["content"] == A
    if service != "Google":
        assert call["tool_calls"][0]["id"] == result["tool_call_id"] == "t1"
    schema = {"name": "river", "description": "d", "parameters": TOOL["parameters"]}
    assert found.conversation.tools == [{"type": "function", "function": schema}]
    assert found.unread.values == []


def test_what_a_result_says_beside_is_noted_and_what_comes_with_it_is_a_message() -> None:
    parts = [
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "Tiber"}], "is_error": True},
        {"type": "tool_result", "tool_use_id": "t2", "content": {"km": 405}},
        {"type": "text", "text": Q2},
    ]
    found = read({"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": A}]})
    said = [(one["role"], one["content"]) for one in found.conversation.messages]
    assert said == [("tool", "Tiber"), ("tool", '{"km": 405}'), ("user", Q2), ("assistant", A)]
    assert found.unread.values == [("messages.is_error", True)]


def test_a_picture_in_a_result_is_refused() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "image", "source": {}}]}
    error = refused({"messages": [{"role": "user", "content": [result]}, {"role": "assistant", "content": A}]})
    assert "image" in error.message and error.place is not None and error.place.message == 0


GLAIVE = {
    "system": f"SYSTEM: {SYSTEM}",
    "chat": f"USER: {Q}\n\n\nASSISTANT: <functioncall> {{}} <|endoftext|>\n\n\nFUNCTION RESPONSE: {{}}\n\n\n"
    f"ASSISTANT: {A} <|endoftext|>\n\n\nUSER: {Q2}\n\n\nASSISTANT: {A2} <|endoftext|>\n\n\n",
}


def test_a_conversation_in_one_text_is_read_where_fields_say_that_it_is_one() -> None:
    assert "data.fields: {messages: chat}" in refused(GLAIVE).remedy
    found = convert(Row(Place("rows.jsonl", 1, 0), GLAIVE), {"messages": "chat"})
    said = [(one["role"], one["content"]) for one in found.conversation.messages]
    assert said[0] == ("system", f"SYSTEM: {SYSTEM}") and said[1] == ("user", Q)
    assert said[2:5] == [("assistant", "<functioncall> {}"), ("tool", "{}"), ("assistant", A)]
    assert said[5:] == [("user", Q2), ("assistant", A2)]
    for half in ("USER: a ASSISTANT: b USER: c", "USER: a FUNCTION RESPONSE: b", "Just a text."):
        assert "not JSON" in refused({"messages": half}).message


MAPPED = {
    "SQuAD": ({"title": "Rome", "context": "c c", "question": Q, "answers": {"text": [A], "answer_start": [3]}},
              "{prompt: question, completion: answers.text.0}"),
    "several answers": ({"question": Q, "answers": [A, A2]}, "{prompt: question, completion: answers.0}"),
    "WMT": ({"translation": {"en": Q, "de": A}}, "{prompt: translation.en, completion: translation.de}"),
    "Spider": ({"db_id": "x", "query": "SELECT a FROM b", "question": Q}, "{prompt: question, completion: query}"),
    "ELI5": ({"q_id": "5lo", "title": Q, "selftext": "", "answers": {"a_id": ["1"], "text": [A, A2]}},
             "{prompt: title, completion: answers.text.0}"),
    "text to SQL": ({"sql_prompt": Q, "sql_context": "CREATE TABLE x", "sql": "SELECT 1 FROM x"},
                    "{prompt: sql_prompt, completion: sql}"),
    "TruthfulQA": ({"type": "A", "question": Q, "best_answer": A, "correct_answers": [A, A2]},
                   "{prompt: question, completion: best_answer}"),
    "stack exchange": ({"question": Q, "response_j": A, "response_k": A2},
                       "{prompt: question, completion: response_j}"),
    "s1K": ({"question": Q, "solution": A, "thinking_trajectories": [THOUGHT]},
            "{prompt: question, completion: solution}"),
    "MedMCQA": ({"question": Q, "opa": "Tiber x", "opb": "Seine x", "cop": 0}, "{prompt: question, completion: …}"),
    "HellaSwag": ({"ctx_a": "a b", "ctx_b": "c d", "ctx": Q, "endings": [A, A2], "label": "0"},
                  "{prompt: ctx, completion: …}"),
    "SNLI": ({"premise": Q, "hypothesis": A, "label": 0}, "{prompt: premise, completion: …}"),
    "UltraChat": ({"id": "0", "data": [Q, A, Q2, A2]}, "{messages: data}"),
    "dialogues of texts": ({"dialog": [Q, A], "act": [1, 2]}, "{messages: dialog}"),
    "MultiWOZ": ({"dialogue_id": "x y", "turns": {"speaker": ["USER", "SYSTEM"], "utterance": [Q, A]}},
                 "{messages: turns}"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MAPPED)
def test_a_row_that_is_not_read_is_refused_with_the_right_columns(kind: str) -> None:
    values, words = MAPPED[kind]
    if any(column in values for column in PAIRS):  # a question without a reply: refused where all rows are so
        assert [message["role"] for message in read(values).conversation.messages] == ["user"]
        assert words in naming(values)
    else:
        assert words in refused(values).remedy


def test_the_reply_inside_an_object_is_named() -> None:
    assert "COLUMN.value" in refused({"question": Q, "answer": {"value": "Tiber", "aliases": ["Tevere"]}}).remedy


def test_a_row_with_two_instructions_is_refused_and_one_that_says_the_same_twice_is_not() -> None:
    values = {"Definition": [SYSTEM], "Instances": [{"input": Q, "output": [A]}]}
    with pytest.raises(DataError, match="`instruction` and `Definition` both say what to do"):
        read({**values, "instruction": "Something else."})
    assert turns({**values, "instruction": SYSTEM}) == turns({**values, "instruction": ""}) == turns(values)
