"""The turns found in a rendered text are the assistant's, with their end, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.utils.chat_template_utils import render_jinja_template

from sanetune.data.conversation import Conversation, Message
from sanetune.data.masking.turn_cache import Rendering
from sanetune.data.masking.turns import TurnFinder
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.errors import Place, TemplateError
from tests.data.chats import KINDS, TOOLS, call, conversation, reply, result, system, user
from tests.data.template.test_chat_template import SPECIALS, TEMPLATES

BY_NAME = {file.stem: file.read_text() for file in TEMPLATES}
QWEN3 = ChatTemplate(BY_NAME["qwen3"], SPECIALS)
ORIGINALS = [name for name in BY_NAME if not name.endswith("_training")]

MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}"
)
LLAMA2 = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
VICUNA = (
    "{% for m in messages %}{% if m.role == 'user' %}USER: {{ m.content }} "
    "{% else %}ASSISTANT: {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
GATHERED = (
    "{% set n = namespace(t='') %}{% for m in messages %}{% set n.t = n.t + '<' + m.role + '>' + m.content + '</s>' %}"
    "{% endfor %}{{ n.t }}{% if add_generation_prompt %}<assistant>{% endif %}"
)
NO_END = (
    "{% for m in messages %}### {{ m.role }}:\n{{ m.content }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}### assistant:\n{% endif %}"
)


@lru_cache
def finder_of(source: str) -> TurnFinder:
    return TurnFinder(ChatTemplate(source, SPECIALS), ("</s>",))


def turns(source: str, messages: list[dict[str, object]], **more: object) -> list[str]:
    rendering = finder_of(source).find(Conversation(messages, Place("f", 3, 2), **more))  # type: ignore[arg-type]
    return [rendering.text[turn.start : turn.end] for turn in rendering.turns]


TWO = [user("one"), reply("two"), user("three"), reply("four")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (CHATML, ["two<|im_end|>", "four<|im_end|>"]),
        (MISTRAL, ["two</s>", "four</s>"]),
        (LLAMA2, [" two </s>", " four </s>"]),
        (VICUNA, [" two</s>", " four</s>"]),
        (GATHERED, ["two</s>", "four</s>"]),
        (NO_END, ["two", "four"]),
        (BY_NAME["llama3_1"], ["two<|eot_id|>", "four<|eot_id|>"]),
        (BY_NAME["gemma4"], ["two<turn|>", "four<turn|>"]),
        (BY_NAME["gptoss"], ["<|channel|>final<|message|>two<|end|>", "<|channel|>final<|message|>four<|return|>"]),
        (BY_NAME["phi3"], ["two<|end|>", "four<|end|>"]),
        (BY_NAME["qwen3"], ["two<|im_end|>", "<think>\n\n</think>\n\nfour<|im_end|>"]),
    ],
)
def test_turns_written_out_by_hand(source: str, expected: list[str]) -> None:
    assert turns(source, TWO) == expected


def test_tool_calls_are_in_the_loss_as_the_template_renders_them() -> None:
    messages = [user("find it"), call("A-17"), result("shipped"), reply("It is on its way.")]
    assert turns(BY_NAME["qwen2_5"], messages, tools=TOOLS) == [
        '<tool_call>\n{"name": "find_order", "arguments": {"order": "A-17", "limit": 7}}\n</tool_call><|im_end|>',
        "It is on its way.<|im_end|>",
    ]
    assert turns(BY_NAME["gptoss"], messages, tools=TOOLS)[0] == (
        ' to=functions.find_order<|channel|>commentary json<|message|>{"order": "A-17", "limit": 7}<|call|>'
    )


def test_a_stop_token_that_is_the_next_turns_header_ends_the_turn() -> None:
    finder = TurnFinder(ChatTemplate(BY_NAME["glm4moe"], SPECIALS), ("<|user|>", "<|observation|>"))
    rendering = finder.find(Conversation(TWO, Place()))
    assert [rendering.text[turn.start : turn.end] for turn in rendering.turns] == [
        "\n<think></think>\ntwo<|user|>",
        "\n<think></think>\nfour",
    ]


MARKED = {
    name: marked for name in ORIGINALS if "generation %}" in (marked := BY_NAME.get(f"{name}_training", BY_NAME[name]))
}


@pytest.mark.parametrize("name", MARKED)
def test_agrees_with_trls_generation_markers(name: str) -> None:
    """TRL's training templates are an independent judgement, character by character."""
    template = ChatTemplate(BY_NAME[name], SPECIALS)
    compared = 0
    for chat in map(conversation, KINDS):
        try:
            ours = TurnFinder(template, ("</s>", "<|user|>", "<|observation|>")).find(chat)
        except TemplateError:
            continue  # the template cannot render this kind of conversation
        (text,), (marked,) = render_jinja_template(
            [template.adapted(chat.messages)],
            tools=chat.tools,
            chat_template=MARKED[name],
            return_assistant_tokens_mask=True,
            **SPECIALS,
        )
        if text == ours.text:  # some of TRL's marked versions render another text
            _compare(ours, {at for start, end in marked for at in range(start, end)}, template)
            compared += 1
    assert compared or name == "glm4moe"  # TRL adds a token to the end of every GLM text


def _compare(ours: Rendering, theirs: set[int], template: ChatTemplate) -> None:
    mine = {at for turn in ours.turns for at in range(turn.start, turn.end)}
    prompt = TurnFinder(template).generation_prompt
    for piece in _runs(ours.text, theirs - mine):
        # TRL also learns the white space after the end, an eos after the end token, and some headers that inference
        # gives.
        assert not piece.strip() or piece.strip() == "</s>" or piece.strip() in prompt or "tool▁outputs▁end" in piece, (
            piece
        )
    extra = _runs(ours.text, mine - theirs)
    assert all(piece == "<|tool_response>" for piece in extra), extra


def _runs(text: str, positions: set[int]) -> list[str]:
    runs: list[list[int]] = []
    for at in sorted(positions):
        if runs and at == runs[-1][-1] + 1:
            runs[-1].append(at)
        else:
            runs.append([at])
    return ["".join(text[at] for at in run) for run in runs]


@pytest.mark.parametrize(
    "change", ["m.content | capitalize", "m.content[:4]", "m.content | length", "m.content | reverse"]
)
def test_a_template_that_rewrites_a_reply_is_an_error_that_names_row_and_message(change: str) -> None:
    source = "{% for m in messages %}<{{ m.role }}>{{ CHANGE }}</s>{% endfor %}"
    source += "{% if add_generation_prompt %}<assistant>{% endif %}"
    with pytest.raises(TemplateError) as caught:
        turns(source.replace("CHANGE", change), [user("a longer question"), reply("a longer answer")])
    assert str(caught.value.place) == "f:3, row 2, message 1"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"content": "Done."}, "its text"),
        (call("A-17"), "its tool calls"),
        ({"content": "", "reasoning_content": "So be it."}, "its reasoning"),
        ({**call("A-17"), "content": "Found."}, "its text, its tool calls"),
    ],
)
def test_a_reply_that_the_template_leaves_out_is_an_error_that_names_its_parts(made: Message, words: str) -> None:
    deaf = "{% for m in messages %}{% if m.role == 'user' %}<user>{{ m.content }}</s>{% endif %}{% endfor %}"
    with pytest.raises(TemplateError, match=rf"renders: it does not render {words}\.\n") as caught:
        turns(deaf, [user("find it"), {"role": "assistant", **made}], tools=TOOLS)
    assert ("chatml" in caught.value.remedy) == (words == "its text"), "chatml renders nothing else"
    with pytest.raises(TemplateError, match="it does not render its tool calls"):
        turns(BY_NAME["llama3"], [user("find it"), call("A-17"), result("shipped"), reply("Done.")], tools=TOOLS)


def test_what_the_template_leaves_out_of_a_reply_is_reported() -> None:
    rendering = TurnFinder(ChatTemplate(BY_NAME["qwen3"])).find(conversation("reasoning"))
    assert rendering.omitted == [(1, "reasoning")]


def test_an_empty_reply_has_no_turn() -> None:
    assert turns(CHATML, [user("one"), reply(""), user("three"), reply("four")]) == ["four<|im_end|>"]


def test_forged_marks_are_refused() -> None:
    with pytest.raises(TemplateError, match="noncharacters"):
        turns(CHATML, [user("one \ufdd0\ufdd2\ufdd1"), reply("two")])


def test_a_user_message_that_looks_like_a_tool_answer_disturbs_nothing() -> None:
    """Qwen3 depends on how a user message begins and ends, which marks would hide."""
    messages = [user("hi"), reply("x"), user("<tool_response>\n1\n</tool_response>"), reply("one")]
    assert turns(BY_NAME["qwen3"], messages)[-1].endswith("one<|im_end|>")


texts = st.text(st.characters(codec="utf-8", exclude_characters=[chr(c) for c in range(0xFDD0, 0xFDE0)]), max_size=30)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=3), st.sampled_from([CHATML, MISTRAL, GATHERED, VICUNA]))
def test_turns_of_any_texts_are_the_texts_and_their_end(pairs: list[tuple[str, str]], source: str) -> None:
    """The expected turns are put together here by hand, from the texts themselves."""
    messages = [message for asked, answered in pairs for message in (user(asked), reply(answered))]
    end = "<|im_end|>" if source == CHATML else "</s>"
    space = " " if source == VICUNA else ""
    assert turns(source, messages) == [space + answered + end for _, answered in pairs if answered.strip()]


@pytest.mark.parametrize("before", range(4))
def test_exchanges_without_text_are_not_taken_for_fewer_of_their_kind(before: int) -> None:
    """What a finder remembers of a shorter or longer row of empty exchanges says nothing about this one."""
    finder = TurnFinder(ChatTemplate(CHATML, {}))
    for empty in (before, 2, 0, 3):
        messages = [message for _ in range(empty) for message in (user(""), reply(""))]
        rendering = finder.find(Conversation([*messages, user(""), reply("0")], Place()))
        assert [rendering.text[turn.start : turn.end] for turn in rendering.turns] == ["0<|im_end|>"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=2, max_size=4))
def test_a_remembered_frame_changes_nothing(pairs: list[tuple[str, str]]) -> None:
    finder = TurnFinder(QWEN3)
    for asked, answered in pairs:
        chat = Conversation([system("s"), user(asked), reply(answered)], Place())
        fresh = TurnFinder(QWEN3).find(chat)
        assert finder.find(replace(chat)) == fresh


def test_there_are_templates_to_judge() -> None:
    assert len(ORIGINALS) > 40 and len(MARKED) > 30


UNASKED = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"


def test_a_header_that_is_written_without_being_asked_for_is_masked() -> None:
    source = UNASKED.replace(
        "{% endfor %}<|assistant|>", "{% endfor %}{% if messages[-1].role %}<|assistant|>{% endif %}"
    )
    found = turns(source, [user("one"), reply("two"), user("three"), reply("four")])
    assert found == ["two<|end|>", "four<|end|>"]


@pytest.mark.parametrize("prompt", ["\\n    BOT:", "  BOT:  ", "\\n\\nBOT: "])
def test_a_generation_prompt_that_differs_in_white_space_is_a_header_all_the_same(prompt: str) -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'assistant' %}\n    BOT: {{ m.content }}</s>"
        "{% else %}\n    USER: {{ m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '" + prompt + "' }}{% endif %}"
    )
    found = turns(source, [user("one"), reply("two"), user("three"), reply("four")])
    assert [text.strip() for text in found] == ["two</s>", "four</s>"]


def test_an_assistant_that_speaks_first_is_in_the_loss_from_its_first_word_on() -> None:
    source = "{{ raise_exception('nothing') if not messages }}" + CHATML
    assert turns(source, [reply("welcome"), user("one"), reply("two")]) == ["welcome<|im_end|>", "two<|im_end|>"]


def test_a_prompt_that_goes_on_in_words_takes_no_letter_from_the_reply() -> None:
    source = CHATML.replace("'<|im_start|>assistant\\n'", "'<|im_start|>assistant\\nHere are my steps:\\n'")
    assert turns(source, [user("one"), reply("He goes.")]) == ["He goes.<|im_end|>"]


def test_what_follows_a_call_conditionally_is_part_of_the_turn() -> None:
    source = (
        "{% for m in messages %}{% if m.tool_calls %}<|a|>[{% for c in m.tool_calls %}{{ c.function.name }}"
        "{% if messages[-1].role != 'assistant' or not messages[-1].tool_calls %}, {{ c.id }}{% endif %}"
        "{% endfor %}]<|end|>{% else %}<|{{ m.role[0] }}|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|a|>{% endif %}"
    )
    chat = [user("find it"), call("A-17"), result("shipped"), reply("Done.")]
    finder = TurnFinder(ChatTemplate(source), ("<|end|>",))
    rendering = finder.find(Conversation(chat, Place()))
    first = rendering.turns[0]
    assert rendering.text[first.start : first.end] == "[find_order, call00001]<|end|>"


def test_json_in_ascii_hides_no_text() -> None:
    source = (
        "{% for m in messages %}<|{{ m.role }}|>{% if m.tool_calls %}{% for c in m.tool_calls %}"
        "{{ c.function | tojson(ensure_ascii=True) }}{% endfor %}"
        "{% else %}{{ m.content }}{% endif %}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    found = turns(source, [user("find it"), call("naïve"), result("shipped"), reply("Done.")])
    assert found[0].startswith('{"name": "find_order"')
    assert found[0].endswith("}<|end|>")
    assert found[1] == "Done.<|end|>"


def test_a_call_without_text_is_given_as_the_template_takes_it() -> None:
    source = (
        "{% for m in messages %}{% if m.content is not none %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endif %}"
        "{% for c in m.tool_calls or [] %}<|assistant|>{{ c.function.name }}<|end|>{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    assert turns(source, [user("find it"), call("A-17"), result("s"), reply("Done.")]) == [
        "find_order<|end|>",
        "Done.<|end|>",
    ]
