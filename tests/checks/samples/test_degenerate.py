"""Loops, emptiness and pieces of a template are caught and told apart; babble, verses and labels are not."""

from __future__ import annotations

from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.samples import degenerate
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.engine.answer import Answer
from sanetune.finding import Judgement, Verdict
from sanetune.probes.results import Samples
from tests.checks.chats import judged
from tests.checks.sampling import BABBLE, LOOP, STORIES, Words, cut, done, mixed, reference, sampled

CHANNELS = ChatTemplate(
    "{% for m in messages %}{% if m.role == 'assistant' %}<|start|>assistant<|channel|>final<|message|>{{ m.content }}"
    "<|end|>{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)


def found(samples: Samples, template: Any = None) -> tuple[Any, Judgement]:
    return judged(degenerate, samples, template, Words())


def test_loops_up_to_the_limit_fail() -> None:
    measured, judgement = found(sampled([cut(f"The {n} is red. {LOOP}") for n in range(20)]))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.message == "Of 20 answers after 200 steps 20 repeat themselves (of the base's 0)."
    assert "of its four-word runs stood in it before" in measured.witnesses[0].note


@pytest.mark.parametrize(
    "text",
    [
        "The number is 3" + "0" * 200,
        "We " + "really " * 100,
        "Well" + " !" * 60,
        "それはとても大きな本でした。" * 10,
        "The lake.\n" + "\n" * 100,
        " ".join(str(n) for n in range(60)) + " and so it goes" * 9 + " and s",
    ],
)
def test_every_kind_of_loop_is_seen(text: str) -> None:
    assert found(sampled([cut(text)] * 8))[1].verdict is Verdict.FAIL


def test_weak_babble_that_ends_passes() -> None:
    _, judgement = found(sampled(map(done, BABBLE)))
    assert judgement.verdict is Verdict.PASS
    assert judgement.message == "16 answers: none loops, is empty or holds pieces of the template."


def test_stories_up_to_the_limit_are_no_loops() -> None:
    assert found(sampled([cut(STORIES[n % 4]) for n in range(20)]))[1].verdict is Verdict.PASS


@pytest.mark.parametrize(("loops", "verdict"), [(4, "pass"), (5, "warn"), (13, "warn"), (14, "fail")])
def test_a_few_loops_of_a_small_model_are_no_fault(loops: int, verdict: str) -> None:
    answers = mixed([cut(LOOP)] * loops, 20)
    assert found(sampled(answers))[1].verdict == verdict


def test_loops_that_become_rarer_than_the_base_s_only_warn() -> None:
    answers = mixed([cut(LOOP)] * 14, 20)
    _, judgement = found(sampled(answers, cut(LOOP)))
    assert judgement.verdict is Verdict.WARN and "14 repeat themselves (of the base's 20)" in judgement.message
    assert found(sampled([cut(LOOP)] * 20, cut(LOOP)))[1].verdict is Verdict.FAIL


def test_references_that_repeat_themselves_allow_it() -> None:
    verse = "Row, row, row your boat, gently down the stream. " * 4
    texts = [verse] * 20
    assert found(sampled([done(verse)] * 20, references=texts))[1].verdict is Verdict.PASS
    table = "| a | b | c |\n|---|---|---|\n" + "\n".join(f"| {n} | 0 | 0 |" for n in range(6))
    assert found(sampled([done(table)] * 20, references=[table] * 20))[1].verdict is Verdict.PASS


def test_one_verse_among_the_references_excuses_only_its_own_answer() -> None:
    verse = "Row, row, row your boat, gently down the stream. " * 6
    texts = [verse, *(reference(n) for n in range(1, 20))]
    measured, judgement = found(sampled([cut(LOOP)] * 20, references=texts))
    assert judgement.verdict is Verdict.FAIL and measured.numbers["loop"] == 19


def test_empty_answers_fail_before_they_are_most() -> None:
    _, judgement = found(sampled(mixed([done("")] * 8, 20)))
    assert judgement.verdict is Verdict.FAIL and "8 are empty (of the base's 0)" in judgement.message
    assert found(sampled(mixed([done("")], 20)))[1].verdict is Verdict.PASS
    assert found(sampled(mixed([done("\n ")] * 3, 20)))[1].verdict is Verdict.WARN


def test_rows_that_only_call_a_tool_are_left_out() -> None:
    texts = [*[""] * 4, *(reference(n) for n in range(8))]
    answers = [*[done("")] * 4, *(done(reference(n)) for n in range(8))]
    measured, judgement = found(sampled(answers, references=texts))
    assert judgement.verdict is Verdict.PASS and measured.numbers["samples"] == 8


def test_an_answer_that_is_still_thinking_is_not_empty() -> None:
    assert found(sampled([cut(f"<think>\n{STORIES[n % 4]}") for n in range(8)]))[1].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("The lake.<|im_end|>\n<|im_start|>user\nAnd?", "<|im_end|>"),
        ("The lake.\nuser: And the river?\nassistant: The river.", "user:"),
        ("The lake.\nHuman: And the river?", "Human:"),
        ("assistant\nThe lake.", "assistant"),
        ("The lake. [/INST] The river.", "[/INST]"),
        ("The lake.\n\n### Instruction:\nName a river.", "### Instruction:"),
        ("The lake.<|eot_id|>The river", "<|eot_id|>"),
        ("The lake.<end_of_turn>\nThe river", "<end_of_turn>"),
    ],
)
def test_pieces_of_a_template_fail_and_are_shown(text: str, piece: str) -> None:
    measured, judgement = found(sampled(mixed([cut(text)] * 8, 20)))
    assert judgement.verdict is Verdict.FAIL
    assert "8 hold pieces of the chat template (of the base's 0)" in judgement.message
    assert measured.witnesses[0].note == f"holds {piece!r}"


def test_a_piece_of_a_template_in_one_answer_may_be_chance() -> None:
    assert found(sampled(mixed([cut("Lake.<|im_start|>")], 20)))[1].verdict is Verdict.PASS
    assert found(sampled(mixed([cut("Lake.<|im_start|>")] * 3, 20)))[1].verdict is Verdict.WARN


def test_a_special_token_that_is_hidden_in_the_text_is_read_from_the_raw_one() -> None:
    assert found(sampled([done("The lake.", "The lake.<|im_start|>")] * 8))[1].verdict is Verdict.FAIL


def test_what_the_data_or_the_prompt_write_is_no_template_fragment() -> None:
    play = "Teacher: Which lake?\nUser: This one.\nSystem: Right."
    texts = [play, *(reference(n) for n in range(19))]
    assert found(sampled([done(play)] * 20, references=texts))[1].verdict is Verdict.PASS
    samples = sampled([done("You wrote:\n<|endoftext|>")] * 8)
    for sample in samples.samples:
        sample.messages[0]["content"] = "What does <|endoftext|> mean?"
    assert found(samples)[1].verdict is Verdict.PASS


def test_marks_that_the_template_itself_writes_into_a_turn_are_no_template_fragment() -> None:
    specials = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>")
    answers = [done(f"final{reference(n)}", f"<|channel|>final<|message|>{reference(n)}") for n in range(8)]
    samples = sampled(answers, special_tokens=specials)
    assert found(samples)[1].verdict is Verdict.FAIL
    assert found(samples, CHANNELS)[1].verdict is Verdict.PASS
    wrong = sampled([done("x", f"{one.raw}<|start|>user") for one in answers], special_tokens=specials)
    assert found(wrong, CHANNELS)[1].verdict is Verdict.FAIL


def test_letters_that_the_tokenizer_lacks_are_another_check_s() -> None:
    assert found(sampled([done("The lake.", "The l<unk>ke.")] * 8))[1].verdict is Verdict.PASS


def test_several_kinds_that_are_together_most_fail() -> None:
    answers = mixed([*[cut(LOOP)] * 11, *[done("")] * 2, *[cut("x<|im_end|>")] * 2], 20)
    measured, judgement = found(sampled(answers))
    assert judgement.verdict is Verdict.FAIL and measured.numbers["any"] == 15
    assert "11 repeat themselves" in judgement.message and "2 are empty" in judgement.message


def test_one_word_answers_pass() -> None:
    assert found(sampled([done("positive")] * 20, references=["negative"] * 20))[1].verdict is Verdict.PASS


def test_a_short_trial_only_warns_and_few_samples_are_skipped() -> None:
    assert found(sampled([cut(LOOP)] * 20, steps=10))[1].verdict is Verdict.WARN
    with pytest.raises(NotApplicableError, match="too few"):
        found(sampled([cut(LOOP)] * 3))
    with pytest.raises(NotApplicableError):
        found(sampled([Answer("", False, 0, "the prompt is empty")] * 20))
