"""Every usual format becomes one kind of conversation; what cannot be read is named with its place, never guessed."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.data.columns import FORMATS, find
from sanetune.data.conversation import ROLES
from sanetune.data.conversation_reader import read_conversations
from sanetune.data.formats import convert
from sanetune.data.sources.row import Row
from sanetune.data.sources.source import Source
from sanetune.errors import ConfigError, DataError, UserError
from tests.data.one_row import PLACE, REPLY, USER, read

PLAIN: list[tuple[str, dict[str, Any]]] = [
    ("messages", {"messages": [USER, REPLY]}),
    ("messages", {"conversations": [USER, REPLY], "id": 5}),
    ("messages", {"messages": json.dumps([USER, REPLY]), "prompt": "Hi?", "text": "x"}),
    (
        "messages",
        {"messages": [{"role": "human", "content": [{"type": "text", "text": "Hi?"}]}, {**REPLY, "weight": 1}]},
    ),
    ("messages", {"messages": [{**USER, "name": None}, {"role": "Assistant", "content": ["Hel", "lo."]}], "tools": []}),
    ("sharegpt", {"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hello."}]}),
    (
        "sharegpt",
        {"conversation": [{"from": "user", "value": "Hi?", "x": 1}, {"from": "assistant", "value": "Hello."}]},
    ),
    ("alpaca", {"instruction": "Hi?", "input": "", "output": "Hello."}),
    ("alpaca", {"instruction": "Hi?", "input": float("nan"), "response": "Hello.", "text": "Below is …"}),
    ("prompt-completion", {"prompt": "Hi?", "completion": "Hello."}),
    ("prompt-completion", {"prompt": [USER], "completion": [REPLY]}),
    ("prompt-completion", {"prompt": [USER], "completion": "Hello."}),
    ("prompt-completion", {"prompt": "Hi?", "response": "Hello.", "category": "x"}),
    ("prompt-completion", {"input": "Hi?", "output": "Hello."}),
    ("question-answer", {"question": "Hi?", "answer": "Hello."}),
    ("question-answer", {"query": "Hi?", "response": "Hello."}),
]


def format_of(values: dict[str, Any]) -> str:
    return find(values, None)[0]


@pytest.mark.parametrize(("name", "values"), PLAIN)
def test_every_format_with_a_question_and_a_reply_becomes_two_messages(name: str, values: dict[str, Any]) -> None:
    before = json.dumps(values)
    assert format_of(values) == name
    assert name in FORMATS
    conversation = read(values)
    assert conversation.messages == [USER, REPLY]
    assert conversation.place == PLACE
    assert conversation.tools is None
    assert conversation.text is None
    assert conversation.template_kwargs == {}
    assert json.dumps(values) == before, "the row itself is left as it was"


def test_text_stays_text() -> None:
    conversation = read({"text": "Once upon a time", "meta": 1})
    assert (conversation.text, conversation.messages) == ("Once upon a time", [])
    assert format_of({"text": ""}) == "text"


def test_alpaca_input_stands_two_lines_below_the_instruction() -> None:
    row = {
        "instruction": "Translate.",
        "input": "Haus",
        "output": "house",
        "system": "Be brief.",
        "history": [["a", "b"]],
    }
    assert [m["content"] for m in read(row).messages] == ["Be brief.", "a", "b", "Translate.\n\nHaus", "house"]
    assert (
        read({"instruction": "Sum up.", "context": "Long.", "response": "ok"}).messages[0]["content"]
        == "Sum up.\n\nLong."
    )


def test_prompts_without_a_reply_are_conversations_without_an_answer() -> None:
    assert [m["role"] for m in read({"turns": ["a", "b"], "question_id": 81}).messages] == ["user", "user"]
    for row in ({"prompt": "Hi?"}, {"prompt": "Hi?", "completion": ""}, {"question": "Hi?", "answer": None}):
        assert read(row).messages == [USER]
    assert format_of({"turns": ["a"]}) == format_of({"prompt": "a"}) == "prompt"
    assert format_of({"prompt": "a", "completion": " "}) == "prompt-completion"


def test_a_conversation_need_not_have_a_user_turn() -> None:
    assert read({"messages": [{"role": "system", "content": "Cheer."}, REPLY]}).messages[1] == REPLY


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=3)


COLUMNS = "messages conversations prompt completion instruction input output question answer text turns system tools"


KEYS = "history chat_template_kwargs role from content value tool_calls function_call function name arguments weight"


names = st.sampled_from([*COLUMNS.split(), *KEYS.split(), "reasoning", "type"]) | st.text(max_size=3)


scalars = leaves | st.sampled_from(
    [*ROLES, "human", "gpt", "function_call", "text", "thinking", "[]", "{}", "[{}]", '{"name": "f"}']
)


anything = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=4), max_leaves=20
)


message = st.dictionaries(
    st.sampled_from(["role", "from", "content", "value", "tool_calls", "function_call", "reasoning", "name"]),
    anything,
    max_size=4,
)


hostile = st.dictionaries(names, anything | st.lists(message, max_size=3), max_size=5) | anything


mapping = st.none() | st.dictionaries(
    st.sampled_from(["messages", "prompt", "text"]), st.text(max_size=3) | names, max_size=1
)


@settings(max_examples=500, deadline=None)
@given(values=hostile, fields=mapping)
def test_no_row_raises_anything_but_a_data_error_and_what_passes_is_in_shape(
    values: Any, fields: dict[str, str] | None
) -> None:
    problem = None
    try:
        result = convert(Row(PLACE, values), fields)
    except DataError as error:
        problem = error
    if problem:
        assert str(problem).encode()
        assert problem.place
        assert problem.place.file == "rows.jsonl"
        return
    kind, conversation = result.format, result.conversation
    assert kind in FORMATS
    assert (conversation.text is not None) == (kind == "text")
    for turn in conversation.messages:
        assert turn["role"] in ROLES
        assert isinstance(turn["content"], str)
        assert turn.keys() <= {"role", "content", "reasoning_content", "tool_calls", "name", "tool_call_id"}
        assert "tool_calls" not in turn or turn["role"] == "assistant"
    json.dumps([conversation.messages, conversation.tools, conversation.template_kwargs], ensure_ascii=False).encode()


def write(path: Path, rows: list[Any]) -> list[Source]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [Source(str(path))]


def test_a_file_may_mix_formats_and_the_counts_show_it(tmp_path: Path) -> None:
    sources = write(
        tmp_path / "a.jsonl", [values for _, values in PLAIN if not any(v != v for v in values.values())] * 2
    )
    reader = read_conversations(sources)
    assert all(conversation.messages == [USER, REPLY] for conversation in reader)
    assert reader.formats == {"messages": 10, "sharegpt": 4, "alpaca": 2, "prompt-completion": 10, "question-answer": 4}
    assert reader.rows == sum(reader.formats.values()) == len(list(reader)), "result again counts anew"


def test_bad_rows_are_counted_and_the_first_three_shown(tmp_path: Path) -> None:
    rows = [{"messages": [USER, REPLY]}] * 10
    for bad in (2, 5, 6, 8):
        rows[bad] = {"messages": [{"role": "wizard", "content": "x"}]}
    reader = read_conversations(write(tmp_path / "a.jsonl", rows))
    with pytest.raises(DataError) as caught:
        list(reader)
    error = caught.value
    assert "4 of 10 rows cannot be read" in error.message
    assert error.place
    assert error.place.line == 3
    assert [f"a.jsonl:{line}, row {line - 1}, message 0" in error.message for line in (3, 6, 7, 9)] == [
        True,
        True,
        True,
        False,
    ]
    dropping = read_conversations(write(tmp_path / "a.jsonl", rows), on_bad="drop")
    assert len(list(dropping)) == 6
    assert [e.place.row for e in dropping.bad if e.place] == [2, 5, 6, 8]


def test_rows_that_all_lack_an_answer_are_refused_and_single_ones_are_not(tmp_path: Path, shared: Path) -> None:
    with pytest.raises(DataError, match="none of 80 rows holds an assistant's answer"):
        list(read_conversations([Source(str(shared / "data/prompts"))]))
    assert (
        len(
            list(read_conversations(write(tmp_path / "a.jsonl", [{"prompt": "a"}, {"prompt": "a", "completion": "b"}])))
        )
        == 2
    )


def test_a_mapped_column_that_no_row_has_is_an_error(tmp_path: Path) -> None:
    sources = write(tmp_path / "a.jsonl", [{"messages": [USER, REPLY]}, {"messages": [REPLY], "sp": "x"}])
    assert len(list(read_conversations(sources, fields={"system": "sp"}))) == 2
    with pytest.raises(ConfigError, match="`sq`, which no row has"):
        list(read_conversations(sources, fields={"system": "sq"}))


def test_each_source_can_have_fields_of_its_own(tmp_path: Path) -> None:
    files = {
        "chats.jsonl": {"talk": [USER, REPLY]},
        "pairs.jsonl": {"q": "2 + 2?", "a": "4"},
        "usual.jsonl": {"question": "1?", "answer": "1"},
        "mapped.jsonl": {"a": "3?", "b": "3"},
    }
    for name, row in files.items():
        (tmp_path / name).write_text(json.dumps(row) + "\n")
    chats, pairs, usual, mapped = (str(tmp_path / name) for name in files)
    own = {chats: {"messages": "talk"}, pairs: {"prompt": "q", "completion": "a"}, usual: {}, mapped: None}
    sources = [Source(path, fields=fields) for path, fields in own.items()]
    reader = read_conversations(sources, fields={"prompt": "a", "completion": "b"})
    said = [[message["content"] for message in one.messages] for one in reader]
    assert said == [[USER["content"], REPLY["content"]], ["2 + 2?", "4"], ["1?", "1"], ["3?", "3"]]
    sources[1] = Source(pairs, fields={"prompt": "q", "completion": "a", "system": "s"})
    with pytest.raises(ConfigError, match=rf"^fields of `?{re.escape(pairs)}`? names `s`, which no row of it has"):
        list(read_conversations(sources, fields={"prompt": "a", "completion": "b"}))


@pytest.mark.parametrize(
    ("own", "error", "said"),
    [
        ({"promt": "q", "completion": "a"}, ConfigError, "promt: q is not understood"),
        ({"prompt": "question", "completion": "a"}, DataError, "no column `question`, which"),
    ],
)
def test_a_slip_in_the_fields_of_a_source_names_the_source(
    own: dict[str, str], error: type[UserError], said: str, tmp_path: Path
) -> None:
    for name in ("usual.jsonl", "pairs.jsonl"):
        (tmp_path / name).write_text(json.dumps({"q": "2 + 2?", "a": "4"}) + "\n")
    usual, pairs = (str(tmp_path / name) for name in ("usual.jsonl", "pairs.jsonl"))
    sources = [Source(usual), Source(pairs, fields=own)]
    with pytest.raises(error) as caught:
        list(read_conversations(sources, fields={"prompt": "q", "completion": "a"}))
    assert said in caught.value.message
    shown = f"{caught.value.message} {caught.value.remedy}"
    assert f"fields of {pairs}" in shown and "data.fields" not in shown
    with pytest.raises(error, match=r"data\.fields"):
        list(read_conversations([Source(usual)], fields=own))


def test_messages_survive_a_csv_file(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "messages", "tools"], ["1", json.dumps([USER, REPLY]), ""]])
    (conversation,) = read_conversations([Source(str(tmp_path / "a.csv"))])
    assert conversation.messages == [USER, REPLY]
    assert conversation.tools is None


REAL = [
    ("alpaca", {}, {"alpaca": 1100}),
    ("sharegpt", {}, {"sharegpt": 500}),
    ("gsm8k", {}, {"question-answer": 7473}),
    ("messages", {}, {"messages": 108}),
    ("airline", {"messages": "traj"}, {"messages": 200}),
]


@pytest.mark.parametrize(("name", "fields", "formats"), REAL)
def test_every_real_row_is_read(shared: Path, name: str, fields: dict[str, str], formats: dict[str, int]) -> None:
    reader = read_conversations([Source(str(shared / "data" / name))], fields=fields)
    conversations = list(reader)
    assert reader.formats == formats
    assert len(conversations) == sum(formats.values())
    calls = [call for c in conversations for m in c.messages for call in m.get("tool_calls", [])]
    assert all(isinstance(call["function"]["arguments"], dict) for call in calls)
    assert len(calls) == {"messages": 103, "airline": 1164}.get(name, 0)
    if name == "airline":
        assert sum(m["role"] == "tool" for c in conversations for m in c.messages) == 1164
    if name == "messages":
        assert all(c.tools for c in conversations[:103])
        assert not any(c.tools for c in conversations[103:])


def test_real_rows_without_a_mapping_say_which_one_works(shared: Path) -> None:
    with pytest.raises(DataError) as caught:
        list(read_conversations([Source(str(shared / "data/airline"))]))
    assert "200 of 200 rows cannot be read" in caught.value.message
    assert "{messages: traj}" in caught.value.remedy
