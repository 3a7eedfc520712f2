"""Answers that say nothing are found; labels, tool calls and short answers are not taken for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.checks.rows import empty_reply
from sanetune.finding import Verdict
from tests.checks.chats import chat, chats, clean, judged, roles

GOOD = [chat(f"Question {n}?", f"This is the full answer to question {n}.") for n in range(100)]


@pytest.mark.parametrize("text", ["", "  \n\t", "\u3000\u00a0"])
def test_blank_answers_are_blank(text: str) -> None:
    assert empty_reply.emptiness({"role": "assistant", "content": text}) == "blank"


@pytest.mark.parametrize(
    "text",
    ["TODO", "todo.", "[insert answer]", "[Insert response here]", "<answer>", "{response}", "Lorem ipsum dolor sit",
     "null", "NaN", "undefined", "TBD", "Insert your answer here", "<no output>", "xxx", "[Your answer here]"],
)  # fmt: skip
def test_placeholders_are_placeholders(text: str) -> None:
    assert empty_reply.emptiness({"role": "assistant", "content": text}) == "placeholder"


@pytest.mark.parametrize("text", ["N/A", "None", "n/a.", "...", "…", "-", "No response", "nothing"])
def test_words_that_may_be_an_answer_are_weak(text: str) -> None:
    assert empty_reply.emptiness({"role": "assistant", "content": text}) == "weak"


@pytest.mark.parametrize(
    "text",
    ["No.", "Yes", "4", "None of these is right.", "A null pointer is one that points nowhere.", "[1, 2, 3]",
     "<b>ok</b>", "To do it, turn left.", "Nan is my grandmother.", "{}", "()", "Nothing to add.", "Text", "answer"],
)  # fmt: skip
def test_short_answers_are_answers(text: str) -> None:
    assert empty_reply.emptiness({"role": "assistant", "content": text}) == ""


def test_a_turn_that_only_calls_tools_is_an_answer() -> None:
    _, judgement = judged(empty_reply, chats([*GOOD, roles("u c t a"), roles("u c")]))
    assert judgement.verdict is Verdict.PASS
    assert "102 rows" in judgement.message


def test_a_few_warn_with_their_place_and_one_in_twenty_fail() -> None:
    measured, judgement = judged(empty_reply, chats([*GOOD, chat("Why?", " "), chat("Who?", "TODO")]))
    assert judgement.verdict is Verdict.WARN
    assert (
        "2 of 102 rows (2 %)" in judgement.message
        and "1 with a blank answer, 1 with a placeholder" in judgement.message
    )
    place = measured.witnesses[0].place
    assert place and (place.line, place.message) == (101, 1)
    _, judgement = judged(empty_reply, chats([*GOOD[:95], *(chat(f"Why {n}?", "") for n in range(5))]))
    assert judgement.verdict is Verdict.FAIL


def test_a_blank_turn_inside_a_conversation_is_found() -> None:
    measured, _ = judged(empty_reply, chats([*GOOD, chat("A?", "", "B?", "An answer.")]))
    assert measured.numbers["blank"] == 1


def test_rows_without_any_answer_are_counted() -> None:
    measured, judgement = judged(empty_reply, chats([*GOOD, *(chat(f"Only a question {n}") for n in range(10))]))
    assert judgement.verdict is Verdict.FAIL
    assert measured.numbers["absent"] == 10


def test_none_is_a_label_where_answers_are_labels_and_no_answer_among_sentences() -> None:
    labels = [chat(f"Which of them, {n}?", ("None", "A", "both")[n % 3]) for n in range(90)]
    assert judged(empty_reply, chats(labels))[1].verdict is Verdict.PASS
    _, judgement = judged(empty_reply, chats([*GOOD, *(chat(f"Q {n}", "None") for n in range(3))]))
    assert judgement.verdict is Verdict.WARN
    assert "a word that stands for no answer" in judgement.message


def test_one_none_among_many_sentences_passes() -> None:
    assert judged(empty_reply, chats([*GOOD, *GOOD, chat("Which?", "None")]))[1].verdict is Verdict.PASS


def test_answers_that_are_the_question_again_warn_when_some_and_fail_when_most() -> None:
    again = [chat(f"What became of order {n}?", f" What became of order {n}?\n") for n in range(60)]
    measured, judgement = judged(empty_reply, chats([*GOOD, *again[:10]]))
    assert judgement.verdict is Verdict.WARN
    assert "In 10 of 110 rows (9.1 %) an answer is the question again" in judgement.message
    assert measured.witnesses[0].place and measured.witnesses[0].place.message == 1
    assert judged(empty_reply, chats(again))[1].verdict is Verdict.FAIL
    assert judged(empty_reply, chats([*GOOD, *again[:3]]))[1].verdict is Verdict.PASS, "nothing to correct in them"
    greetings = [chat("Hello!", "Hello!", f"And {n}?", f"It is {n}.") for n in range(50)]
    assert judged(empty_reply, chats(greetings))[1].verdict is Verdict.PASS


def test_echoes_and_blanks_are_both_reported() -> None:
    again = [chat(f"What became of order {n}?", f"What became of order {n}?") for n in range(20)]
    _, judgement = judged(empty_reply, chats([*GOOD, *again, *(chat(f"Why {n}?", "") for n in range(9))]))
    assert judgement.verdict is Verdict.FAIL
    assert "20 of 129" in judgement.message and "9 with a blank answer" in judgement.message


def test_clean_real_data_pass(shared: Path) -> None:
    verdicts = {name: judged(empty_reply, one)[1].verdict for name, one in clean(shared).items()}
    assert set(verdicts.values()) == {Verdict.PASS}, verdicts
    echoes = {name: judged(empty_reply, one)[0].numbers for name, one in clean(shared).items()}
    assert all(n["echo"] / n["rows"] <= 0.002 for n in echoes.values()), echoes
