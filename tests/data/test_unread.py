"""Nothing of a row is dropped in silence: each of its texts is in the conversation, or is noted as not read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.data import column_names as names
from sanetune.data import formats
from sanetune.data.fields import CANONICAL
from sanetune.data.formats import convert
from sanetune.data.instances import expanded
from sanetune.data.sources.row import Row
from sanetune.data.turn_weights import FLAGS
from sanetune.data.unread import texts_of
from sanetune.data.usual_rows import quick
from sanetune.errors import ConfigError, DataError
from tests.data.one_row import PLACE, REPLY, USER, read

COLUMNS = sorted(
    {
        *names.CHATS,
        *names.PAIRS,
        *names.REPLIES,
        *names.BELOW,
        *names.SYSTEMS,
        *names.TOOLS,
        *names.REASONING,
        *names.TEMPLATE_ARGUMENTS,
        *names.OPTIONS,
        *names.LABELS,
        *(name for pair in names.PREFERENCES for name in pair),
        *("text", "turns", "history", "option_a", "option_b", "A", "B", "instances", "replies", "role", "title", "x"),
    }
)
KEYS = sorted(
    {
        *names.REASONING,
        *FLAGS,
        "content",
        "value",
        "text",
        "name",
        "tool_calls",
        "function_call",
        "tools",
        "files",
        "id",
    }
)


class Words:
    """Texts of which no two are alike, and none is inside another."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"<{self.count}>"


def others(word: Words) -> list[dict[str, Any]]:
    """Rows of exports, services and well-known data sets, each with more than is read."""

    def shown(role: str, above: str | None, *children: str) -> dict[str, Any]:
        content = {"content_type": "text", "parts": [word()], "note": word()}
        return {"message": {"author": {"role": role}, "content": content}, "parent": above, "children": [*children]}

    call = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": word()}, "more": word()}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": word(), "more": word()}
    tree = {"1": shown("user", None, "2", "3"), "2": shown("assistant", "1"), "3": shown("assistant", "1")}
    return [
        {"messages": [{"user": word(), "assistant": word(), "note": word()}]},
        {"conversations": [word(), word(), word()]},
        {"messages": {"role": ["user", "assistant"], "content": [word(), word()], "by": [word(), word()]}},
        {
            "contents": [
                {"role": "user", "parts": [{"text": word()}, {"text": word(), "by": word()}]},
                {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": word()}, "more": word()}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"a": word()}}}]},
            ],
            "systemInstruction": {"parts": [{"text": word(), "note": word()}], "by": word()},
        },
        {
            "messages": [
                {"role": "user", "content": word()},
                {"role": "assistant", "content": [{"type": "text", "text": word()}, call]},
                {"role": "user", "content": [result, {"type": "text", "text": word()}]},
            ]
        },
        {"query": word(), "answers": [{"name": "f", "arguments": {"a": word()}, "more": word()}]},
        {"inputs": word(), "targets": [word()]},
        {"question": word(), "answer": [word()]},
        {"source": word(), "target": word()},
        {"Definition": [word(), word()], "Instances": [{"input": word(), "output": [word()], "by": word()}]},
        {"mapping": tree, "current_node": "3", "title": word()},
    ]


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row of one of the usual values_of_all_types, with more columns and keys of messages than it needs."""
    word = Words()

    def message(role: str, plain: bool = False) -> dict[str, Any]:
        if plain:
            return {"role": role, "content": word()}
        dialect = draw(st.sampled_from([("role", "content"), ("from", "value"), ("speaker", "text")]))
        content = draw(st.sampled_from([word(), [{"type": "text", "text": word(), "note": word()}]]))
        more = {key: value() for key in draw(st.lists(st.sampled_from(KEYS), max_size=2))}
        return {**more, dialect[0]: role, dialect[1]: content}

    def value() -> Any:
        values_of_all_types: list[Any] = [word(), word(), [word(), word()], {"a": word(), "b": [word()]}, True, 0]
        values_of_all_types += [[{"type": "reasoning.text", "text": word()}], [{"name": "f", "description": word()}]]
        values_of_all_types += [
            [message("user", True), message("assistant", True)],
            {"name": "f", "arguments": {"a": word()}, "more": word()},
        ]
        return draw(st.sampled_from(values_of_all_types))

    chat = [message("user"), message("assistant")]
    node = {"text": word(), "role": "prompter", "replies": [{"text": word(), "role": "assistant", "by": word()}] * 1}
    needed = draw(
        st.sampled_from(
            [
                {"messages": chat},
                {"conversations": chat[:1], "response": word()},
                {"instruction": word(), "input": word(), "output": word()},
                {"prompt": word(), "completion": word()},
                {"prompt": chat[:1], "completion": chat[1:]},
                {"question": word(), "answer": word()},
                {"prompt": word(), "chosen": word(), "rejected": word()},
                {"prompt": word(), "chosen": chat, "rejected": [message("user"), message("assistant")]},
                {"text": word()},
                {"prompt": node},
                {"instruction": word(), "instances": [{"input": word(), "output": word()}, {"output": word()}]},
                *others(word),
            ]
        )
    )
    more = {name: value() for name in draw(st.lists(st.sampled_from(COLUMNS), max_size=3))}
    return {**more, **needed}


mappings = st.dictionaries(
    st.sampled_from([*CANONICAL, "role", "content", "train"]),
    st.sampled_from([*COLUMNS, "instances.0.output", "messages.0.content", "x + title", "prompt.text"]),
    max_size=3,
)


def known_texts(result: Any) -> set[str]:
    """Every text that is in the conversation, and every one that is noted as not read."""
    said = result.conversation
    whole = json.dumps([said.messages, said.tools, said.template_kwargs, said.text])
    return {whole, *texts_of([value for _, value in result.unread.values])}


@settings(max_examples=400, deadline=None)
@given(values=rows(), fields=st.none() | mappings)
def test_every_text_of_a_row_is_in_its_conversation_or_noted_as_not_read(
    values: dict[str, Any], fields: dict[str, str] | None
) -> None:
    try:
        row = Row(PLACE, values)
        results = [convert(part, fields) for part in ([row] if fields else expanded(row))]
    except (DataError, ConfigError):
        return  # refused with its place, which is no silence
    known = "\n".join(text for result in results for text in known_texts(result))
    names_of_roles = {"user", "assistant", "model", "prompter", "text", "reasoning.text"}
    names_of_roles |= {"tool_use", "tool_result", "1", "2", "3"}
    missing = [text for text in texts_of(values) if text not in known and text not in names_of_roles]
    assert not missing or any(result.left_out for result in results), missing


@settings(max_examples=400, deadline=None)
@given(values=rows())
def test_usual_rows_are_read_at_once_as_they_are_read_with_care(values: dict[str, Any]) -> None:
    if (found := quick(values)) is None:
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(formats, "quick", lambda _: None)
        careful = convert(Row(PLACE, values))
    assert (careful.format, careful.conversation.messages) == found[:2]
    assert careful.unread == found[2]
    said = careful.conversation
    assert (said.tools, said.template_kwargs, said.text, said.masked) == (None, {}, None, [])
    assert not careful.left_out


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"instruction": "a", "question": "b", "output": "c"}, ["question"]),
        ({"messages": [USER, REPLY], "input": "b"}, ["input"]),
        ({"messages": [{**USER, "attachments": [{"body": "b"}]}, REPLY]}, ["messages.attachments"]),
        ({"messages": [USER, REPLY], "reasoning": "on"}, ["reasoning"]),
        ({"text": "a", "title": "b", "empty": " ", "none": None, "list": []}, ["title"]),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, ["rejected"]),
    ],
)
def test_what_nothing_reads_is_noted_by_its_path(values: dict[str, Any], paths: list[str]) -> None:
    assert [path for path, _ in convert(Row(PLACE, values)).unread.values] == paths


def test_known_columns_are_used() -> None:
    context = read({"question": "Who?", "context": "Rosa did.", "answer": "Rosa"})
    assert context.messages[0]["content"] == "Who?\n\nRosa did."
    assert read({"prompt": "Translate.", "input": "Haus", "output": "house"}).messages[0]["content"].endswith("Haus")
    tools = read({"messages": [USER, REPLY], "tool_defs": '[{"name": "f"}]', "enable_thinking": False})
    assert tools.tools and tools.template_kwargs == {"enable_thinking": False}
    for name in ("reasoning", "cot", "thought", "chain_of_thought"):
        assert read({"question": "2 + 2?", name: "Count.", "answer": "4"}).messages[1]["reasoning_content"] == "Count."
    in_system = read({"messages": [{"role": "system", "content": "", "tools": [{"name": "f"}]}, USER, REPLY]})
    assert in_system.tools and "tools" not in in_system.messages[0]
    assert read({"messages": [USER], "response": "Hello."}).messages == [USER, REPLY]


def test_reasoning_details_are_reasoning_once() -> None:
    detail = [{"type": "reasoning.text", "text": "Greet."}, {"type": "reasoning.encrypted", "data": "x1"}]
    row = {"messages": [USER, {**REPLY, "reasoning": "Greet.", "reasoning_details": detail}]}
    result = convert(Row(PLACE, row))
    assert result.conversation.messages[1]["reasoning_content"] == "Greet."
