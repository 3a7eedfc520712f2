"""template-drift: what is trained against what inference renders, and against what is saved."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.template import drift as check
from sanetune.data.conversation import Conversation
from sanetune.data.template.chat_template import CHATML
from sanetune.errors import Place
from sanetune.evidence.saved_template import SavedTemplate
from sanetune.finding import Judgement, Measurement, Verdict
from tests.checks.template_material import (
    Words,
    all_kinds,
    chats,
    conversations,
    judged,
    plain,
    saved,
    shipped,
    template,
)
from tests.data.chats import KINDS, TOOLS, call, reply, result, system, user

QWEN = "qwen3"


def measured(source: str, rows: Any = None, kept: SavedTemplate | None = None) -> Measurement:
    rows = all_kinds() if rows is None else rows
    return check.measure(template(source), Words(), rows, kept or saved(source))


def verdict(source: str, rows: Any = None, kept: SavedTemplate | None = None) -> Judgement:
    return judged(check, measured(source, rows, kept))


def test_every_template_that_trl_ships_passes() -> None:
    for name, source in shipped().items():
        judgement = verdict(source)
        assert judgement.verdict is Verdict.PASS, (name, judgement.message)


def test_what_was_compared_is_said() -> None:
    judgement = verdict(CHATML, conversations(KINDS["several turns"], KINDS["several turns"]))
    assert judgement.message == (
        "2 conversations of 1 kind: in all 4 turns the prompt of inference is what was trained."
    )


BROKEN = {
    "no generation prompt": (
        CHATML.replace("{%- if add_generation_prompt %}", "{%- if false %}"),
        "no generation prompt",
    ),
    "another role word": (
        CHATML.replace("'<|im_start|>assistant\\n' }}", "'<|im_start|>model\\n' }}"),
        "differs from what precedes",
    ),
    "another header": (
        CHATML.replace("'<|im_start|>assistant\\n' }}", "'<|assistant|>' }}"),
        "differs from what precedes",
    ),
    "an unknown tag": (
        CHATML.replace("'<|im_start|>assistant\\n' }}", "'<|im_start|>assistant\\n<answer>\\n' }}"),
        "differs from what precedes",
    ),
    "the last user unlike the others": (
        CHATML.replace("message.content", "message.content ~ ('!' if loop.last else '')"),
        "another text",
    ),
    "the last reply under another header": (
        CHATML.replace("message.role +", "('final' if loop.last and message.role == 'assistant' else message.role) +"),
        "differs from what precedes",
    ),
    "no end after the last message": (
        CHATML.replace("'<|im_end|>\\n'", "('' if loop.last else '<|im_end|>\\n')"),
        "differs from what precedes",
    ),
    "the number of messages in front": ("{{ messages|length }}" + CHATML, "another text"),
    "no prompt at all": (
        CHATML + "{% if add_generation_prompt %}{{ raise_exception('no') }}{% endif %}",
        "cannot render",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("kind", ["one turn", "several turns", "system"])
def test_a_template_that_drifts_fails(fault: str, kind: str) -> None:
    source, words = BROKEN[fault]
    found = measured(source, conversations(KINDS[kind]))
    judgement = judged(check, found)
    assert judgement.verdict is Verdict.FAIL
    assert words in judgement.message
    assert "1 of 1 conversations" in judgement.message
    first = found.witnesses[0]
    assert first.place is not None and first.place.line == 1 and first.place.message
    assert KINDS[kind][first.place.message]["role"] == "assistant"
    assert first.text != first.beside


SPACED = {
    "a shorter end of the header": ("'<|im_start|>assistant ' }}", r"'\n' trained, ' ' at inference"),
    "more behind the header": ("'<|im_start|>assistant\\n\\n' }}", r"'\n' trained, '\n\n' at inference"),
    "more before the header": ("'\\n<|im_start|>assistant\\n' }}", r"'\n' trained, '\n\n' at inference"),
    "a page of it": ("'<|im_start|>assistant' ~ ' ' * 40 }}", r"'\n' trained, 40 characters at inference"),
}


@pytest.mark.parametrize("prompt", SPACED)
def test_white_space_alone_warns_and_says_which(prompt: str) -> None:
    written, words = SPACED[prompt]
    source = CHATML.replace("'<|im_start|>assistant\\n' }}", written)
    judgement = verdict(source, conversations(KINDS["several turns"]))
    assert judgement.verdict is Verdict.WARN
    assert (
        "in 2 of 2 turns the prompt of inference differs from what is trained in white space alone" in judgement.message
    )
    assert judgement.message.endswith(f": {words}.")


def test_only_the_rows_of_drifting_kinds_are_counted() -> None:
    source = CHATML.replace("message.content", "message.content ~ ('!' if loop.last and loop.index > 2 else '')")
    rows = conversations(*[KINDS["one turn"]] * 3, *[KINDS["several turns"]] * 2)
    assert "2 of 5 conversations" in verdict(source, rows).message


def test_a_template_that_throws_dice_fails() -> None:
    rows = conversations(*[[user(f"{n}?"), reply("yes")] for n in range(3)])
    dice = "{{ range(100000)|random }}"
    assert "another text each time" in verdict(dice + CHATML, rows).message


def test_dates_are_no_drift() -> None:
    judgement = verdict("{{ strftime_now('%d %b %Y %H:%M:%S.%f') }}" + CHATML)
    assert judgement.verdict is Verdict.PASS


def test_thinking_that_the_turn_opens_itself_is_no_drift() -> None:
    opens = CHATML.replace("'<|im_start|>assistant\\n' }}", "'<|im_start|>assistant\\n<think>\\n' }}")
    rows = conversations([user("2+2?"), reply("<think>two and two</think>4")])
    assert verdict(opens, rows).message.endswith("is what was trained.")
    silent = verdict(opens, conversations(KINDS["one turn"]))
    assert silent.verdict is Verdict.PASS
    assert "opens thinking" in silent.message


def test_reasoning_that_history_forgets_is_reported_and_passes() -> None:
    turns = [
        user("Find order A-17."),
        {**call("A-17"), "reasoning_content": "look it up"},
        result("A-17: shipped"),
        reply("It is on its way.", reasoning_content="tell them"),
        user("Thanks"),
        reply("Bye!", reasoning_content="part"),
    ]
    judgement = verdict(shipped()[QWEN], conversations(turns, tools=TOOLS))
    assert judgement.verdict is Verdict.PASS
    assert "reasoning of earlier turns" in judgement.message


REMEMBERS = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.reasoning_content and not add_generation_prompt %}<think>{{ m.reasoning_content }}</think>{% endif %}"
    "{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.mark.parametrize("where", ["field", "tags"])
def test_reasoning_that_only_training_has_before_a_later_reply_is_a_warning(where: str) -> None:
    first, source = reply("4", reasoning_content="two and two"), REMEMBERS
    if where == "tags":
        first = reply("<think>two and two</think>4")
        stripped = "{{ m.content.split('</think>')[-1] if add_generation_prompt else m.content }}"
        source = source.replace("{{ m.content }}", stripped)
    found = verdict(source, conversations([user("2+2"), first, user("3+3"), reply("6")]))
    assert found.verdict is Verdict.WARN
    assert "in 1 of 2 turns the reasoning of earlier turns precedes the trained reply" in found.message
    assert verdict(source, conversations([user("2+2"), first])).verdict is Verdict.PASS


def test_a_name_that_only_a_tools_answer_is_followed_by_is_no_missing_header() -> None:
    """The model writes it: it is behind the prompt, and so in the loss."""
    source = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}<|ask|>{% elif m.role == 'tool' %}<|tool|>"
        "{{ m.content }}<|ask|>NAME{% elif m.tool_calls %}{{ m.tool_calls|tojson }}<|end|>"
        "{% else %}{{ m.content }}<|end|>{% endif %}{% endfor %}"
    )
    chat = conversations([user("Find A-17."), call("A-17"), result("A-17: shipped"), reply("It is on its way.")])
    named = source.replace("NAME", "{% if not loop.last %}Helper: {% endif %}")
    assert verdict(named, chat).verdict is Verdict.PASS
    headed = named.replace(
        "{% elif m.role == 'tool' %}", "{% if not loop.last %}Helper: {% endif %}{% elif m.role == 'tool' %}"
    )
    assert verdict(headed, chat).verdict is Verdict.FAIL


def test_a_greeting_is_not_asked_for() -> None:
    greeting = [reply("Welcome!"), user("2+2?"), reply("4")]
    for source in shipped().values():
        rows = conversations(greeting, [system("Be nice."), *greeting])
        with contextlib.suppress(NotApplicableError):  # some take no greeting at all
            assert verdict(source, rows).verdict is Verdict.PASS


def test_the_saved_template_has_to_be_the_trained_one() -> None:
    other = verdict(CHATML, kept=saved(CHATML.replace("im_end", "end"), CHATML))
    assert other.verdict is Verdict.FAIL
    assert "5 of 5 conversations" in other.message
    assert "none will be saved" in verdict(CHATML, kept=saved(None, CHATML)).message
    assert "cannot be used" in verdict(CHATML, kept=saved("{% for", CHATML)).message
    prompt = verdict(CHATML, kept=saved(CHATML.replace("add_generation_prompt", "false"), CHATML))
    assert prompt.verdict is Verdict.FAIL


def test_a_saved_template_that_renders_the_same_is_the_same() -> None:
    assert verdict(CHATML, kept=saved("{# a remark #}" + CHATML, CHATML)).verdict is Verdict.PASS
    assert verdict(CHATML, kept=SavedTemplate(CHATML, None)).verdict is Verdict.PASS


def test_rows_that_the_template_refuses_are_left_to_others() -> None:
    rows = conversations(KINDS["system"], KINDS["one turn"])
    assert verdict(shipped()["gemma"], rows).verdict is Verdict.PASS
    with pytest.raises(NotApplicableError):
        measured(shipped()["gemma"], conversations(KINDS["system"]))


def test_nothing_to_compare_proves_nothing() -> None:
    for rows in (plain(), chats([]), conversations([user("2+2?"), reply("")])):
        with pytest.raises(NotApplicableError):
            measured(CHATML, rows)
    with pytest.raises(NotApplicableError):
        check.measure(None, Words(), all_kinds(), saved(None))


def test_kinds_beyond_the_most_are_said() -> None:
    rows = chats(Conversation(KINDS["one turn"], Place("x", n, n), template_kwargs={"number": n}) for n in range(230))
    assert "30 conversations of rarer kinds left out" in verdict(CHATML, rows).message


def test_fifteen_thousand_conversations_take_less_than_three_seconds() -> None:
    many = [
        Conversation(
            [system("s"), *[user(f"q {n} " * 60), reply("a " * 60)] * (1 + n % 4)],
            Place("x", n, n),
            template_kwargs={"variant": n % 150},
        )
        for n in range(15_000)
    ]
    rows = chats(many)
    began = time.process_time()
    found = measured(shipped()[QWEN], rows)
    assert time.process_time() - began < 3
    assert found.numbers["conversations"] == 15_000


@pytest.mark.parametrize(
    "text", ["<" + "think" * 60_000, "<think>" * 40_000, "<think>" + " " * 300_000, "<a" * 150_000]
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    opens = CHATML.replace("'<|im_start|>assistant\\n' }}", "'<|im_start|>assistant\\n<think>\\n' }}")
    began = time.process_time()
    verdict(opens, conversations([user(text), reply(text), user(text), reply("ok")]))
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "thought",
    ["<|channel>thought\\n<channel|>", "<|START_THINKING|>", "<seed:think>", "Here are my reasoning steps:\\n"],
)
def test_a_prompt_that_opens_a_thought_which_the_turn_lacks_is_reported_and_passes(thought: str) -> None:
    source = CHATML.replace("'<|im_start|>assistant\\n' }}", "'<|im_start|>assistant\\n" + thought + "' }}")
    judgement = verdict(source)
    assert judgement.verdict is Verdict.PASS
    assert "thinking that the trained turn does not have" in judgement.message


def test_a_system_text_that_moves_to_the_last_question_is_reported_and_passes() -> None:
    source = (
        "{% set s = messages[0].content if messages[0].role == 'system' else '' %}{% for m in messages %}"
        "{% if m.role == 'user' %}[INST]{% if m == (messages | selectattr('role', 'equalto', 'user') | list)[-1] %}"
        "{{ s }}{% endif %}{{ m.content }}[/INST]{% elif m.role == 'assistant' %}{{ m.content }}</s>{% endif %}"
        "{% endfor %}"
    )
    chat = [system("Be brief."), user("one?"), reply("two"), user("three?"), reply("four")]
    judgement = verdict(source, conversations(chat))
    assert judgement.verdict is Verdict.PASS
    assert "the system text moves to the last question" in judgement.message
