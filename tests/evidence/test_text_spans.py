"""The independent route finds every message in what real templates render, and says what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import trl
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.data.conversation import Conversation, Message
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.errors import Place, TemplateError
from sanetune.evidence.template_literals import Literals
from sanetune.evidence.text_spans import find

TEMPLATES = sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))
CONVERSATION: list[Message] = [
    {"role": "user", "content": "assistant"},
    {"role": "assistant", "content": "user"},
    {"role": "user", "content": "Hello there"},
    {"role": "assistant", "content": "Hi."},
]
SYSTEM: Message = {"role": "system", "content": "Be kind."}


def template_of(file: Path) -> ChatTemplate:
    return ChatTemplate(file.read_text(), {"bos_token": "<s>", "eos_token": "</s>"})


@pytest.mark.parametrize("file", [one for one in TEMPLATES if "training" not in one.name], ids=lambda file: file.stem)
@pytest.mark.parametrize("system", [False, True])
def test_every_message_is_found_where_it_stands_even_when_texts_are_words_of_the_template(
    file: Path, system: bool
) -> None:
    template = template_of(file)
    messages = [SYSTEM, *CONVERSATION] if system else CONVERSATION
    try:
        text = template.render(messages)
    except TemplateError:
        return  # this template takes no system message
    found = find(text, Conversation(messages, Place()), Literals.of(template, ("</s>",)))
    assert not found.dropped
    texts = [(span.role, text[span.start : span.end]) for span in found.spans if span.role != "end"]
    assert texts == [(message["role"], message["content"]) for message in messages]
    assert len(found.turns) == 2
    for (start, end), answer in zip(found.turns, ("user", "Hi."), strict=True):
        assert answer in text[start:end]
        assert "Hello" not in text[start:end]


def test_the_end_of_a_turn_is_the_tag_behind_it() -> None:
    literals = Literals.of(ChatTemplate(CHATML), ("<eos>",))
    assert literals.ends == ("<|im_end|>", "<eos>")
    assert literals.headers == {"assistant": "<|im_start|>assistant\n", "user": "<|im_start|>user\n"}


def test_a_text_that_is_left_out_is_named() -> None:
    template = ChatTemplate(
        "{% for m in messages %}{% if m.role != 'system' %}[{{ m.role }}] {{ m.content }}\n{% endif %}{% endfor %}"
    )
    messages = [SYSTEM, *CONVERSATION]
    found = find(template.render(messages), Conversation(messages, Place()), Literals.of(template, ()))
    assert found.dropped == [(0, "content")]


def test_reasoning_and_tool_calls_belong_to_the_assistants_turn() -> None:
    template = template_of(next(file for file in TEMPLATES if file.stem == "qwen3"))
    call = {"id": "1", "type": "function", "function": {"name": "lookup", "arguments": {"order": 7}}}
    messages: list[Message] = [
        {"role": "user", "content": "Where is it?"},
        {"role": "assistant", "content": "", "reasoning_content": "I look.", "tool_calls": [call]},
        {"role": "tool", "content": "on its way", "tool_call_id": "1"},
        {"role": "assistant", "content": "It is on its way."},
    ]
    text = template.render(messages)
    found = find(text, Conversation(messages, Place()), Literals.of(template, ()))
    first, second = (text[start:end] for start, end in found.turns)
    assert "I look." in first and '{"order": 7}' in first and first.endswith("<|im_end|>")
    assert second.endswith("It is on its way.<|im_end|>")
    tool = next(span for span in found.spans if span.role == "tool")
    assert text[tool.start : tool.end] == "on its way"


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cn")), min_size=1, max_size=30)


@settings(deadline=None)
@given(st.lists(words.filter(str.strip), min_size=2, max_size=6))
def test_any_texts_are_found_in_chatml_in_order(texts: list[str]) -> None:
    template = ChatTemplate(CHATML)
    messages: list[Message] = [
        {"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)
    ]
    text = template.render(messages)
    found = find(text, Conversation(messages, Place()), Literals.of(template, ()))
    assert not found.dropped
    pieces = [text[span.start : span.end] for span in found.spans if span.role != "end"]
    assert pieces == [one.strip() for one in texts]
    assert len(found.turns) == len(texts) // 2


def test_a_tools_answer_is_found_however_json_writes_it() -> None:
    result = '{"value": "7.5", "note": "naïve “sum”"}'
    messages: list[Message] = [
        {"role": "user", "content": "How much?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": result, "tool_call_id": "1"},
        {"role": "assistant", "content": "7.5"},
    ]
    written = {
        "as it is": "m.content",
        "escaped": "m.content | tojson",
        "escaped in ASCII": "m.content | tojson(ensure_ascii=True)",
        "its values": "'value: 7.5; note: naïve “sum”'",
    }
    for way, content in written.items():
        source = (
            "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'tool' %}{{ CONTENT }}{% else %}{{ m.content }}"
            "{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}{% endif %}<|end|>{% endfor %}"
        ).replace("CONTENT", content)
        template = ChatTemplate(source)
        found = find(template.render(messages), Conversation(messages, Place()), Literals.of(template, ()))
        assert not found.dropped, way
        assert len(found.turns) == 2, way


CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": {"expression": "3 + 4.5"}}}


def test_a_call_whose_name_is_the_tools_alone_is_left_out() -> None:
    source = "{% for m in messages %}<|{{ m.role }}{{ ' add' if m.role == 'tool' }}|>{{ m.content }}<|end|>{% endfor %}"
    messages: list[Message] = [
        {"role": "user", "content": "How much?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "7.5"},
        {"role": "assistant", "content": "It is more."},
    ]
    template = ChatTemplate(source)
    found = find(template.render(messages), Conversation(messages, Place()), Literals.of(template, ()))
    assert found.dropped == [(1, "tool_calls")]


def test_a_system_text_in_the_last_question_takes_no_other_text_with_it() -> None:
    messages: list[Message] = [{"role": "system", "content": "Be brief."}, *CONVERSATION]
    text = "[INST]Hello[/INST]user</s>[INST]Be brief. system[/INST]Hi.</s>"
    text = text.replace("Hello", CONVERSATION[0]["content"]).replace("system", CONVERSATION[2]["content"])
    literals = Literals({"user": "[INST]"}, ("</s>",))
    found = find(text, Conversation(messages, Place()), literals)
    assert not found.dropped
    assert [text[start:end].removeprefix("[/INST]") for start, end in found.turns] == ["user</s>", "Hi.</s>"]


def test_a_tool_called_think_is_not_the_tag_of_an_empty_thought() -> None:
    source = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m.content or '' }}"
        "{% for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}</call>{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"
    )
    call = {"type": "function", "function": {"name": "think", "arguments": {"thought": "The order is late."}}}
    messages: list[Message] = [
        {"role": "user", "content": "Where is it?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "user", "content": "And now?"},
        {"role": "assistant", "content": "On its way."},
    ]
    template = ChatTemplate(source, {})
    text = template.render(messages)
    found = find(text, Conversation(messages, Place()), Literals.of(template, ("<|im_end|>",)))
    name = next(span for span in found.spans if span.message == 1)
    assert text[name.start - 9 : name.end] == '"name": "think'
