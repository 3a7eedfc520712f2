"""Answers of another length, and answers that dominate, are advice; labels and mixed lengths are not."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.rows import outliers
from sanetune.data.conversation import Conversation
from sanetune.finding import Verdict
from tests.checks.chats import chat, chats, clean, judged

WORDS = ["the", "order", "has", "been", "sent", "from", "our", "shop", "and", "will", "come", "with", "letters"]


def answers(number: int, low: int = 20, high: int = 60) -> list[Conversation]:
    chance = Random(number)
    return [
        chat(f"Question {n}?", " ".join(chance.choices(WORDS, k=chance.randint(low, high))) + f" {n}.")
        for n in range(number)
    ]


def test_answers_of_usual_lengths_pass_with_their_range() -> None:
    _, judgement = judged(outliers, chats(answers(200)))
    assert judgement.verdict is Verdict.PASS and "200 answers" in judgement.message


def test_one_answer_far_longer_is_shown() -> None:
    measured, judgement = judged(outliers, chats([*answers(200), chat("All of it?", "page after page " * 2000)]))
    assert judgement.verdict is Verdict.WARN
    assert "1 far longer than the rest (up to 32,000 characters)" in judgement.message
    assert measured.witnesses[0].place and measured.witnesses[0].place.line == 201
    assert len(measured.witnesses[0].text) <= 400


def test_one_answer_that_weighs_as_much_as_fifty_is_shown_among_answers_of_all_lengths() -> None:
    chance = Random(0)
    mixed = [chat(f"Question {n}?", "x" * round(10 ** chance.uniform(0.5, 2.5))) for n in range(300)]
    assert judged(outliers, chats(mixed))[1].verdict is Verdict.PASS
    _, judgement = judged(outliers, chats([*mixed, chat("All of it?", "page after page " * 400)]))
    assert "1 far longer than the rest (up to 6,400 characters)" in judgement.message


def test_one_answer_far_shorter_is_shown() -> None:
    _, judgement = judged(outliers, chats([*answers(200, 150, 300), chat("All of it?", "a")]))
    assert judgement.verdict is Verdict.WARN and "1 far shorter (down to 1)" in judgement.message


def test_short_and_long_answers_side_by_side_are_two_kinds() -> None:
    mixed = [*answers(100, 200, 300), *(chat(f"Yes or no, {n}?", ("Yes.", "No.")[n % 2]) for n in range(20))]
    assert judged(outliers, chats(mixed))[1].verdict is Verdict.PASS


@pytest.mark.parametrize(("copies", "verdict"), [(24, Verdict.PASS), (25, Verdict.WARN)])
def test_an_answer_that_dominates_warns_from_the_limit_on(copies: int, verdict: Verdict) -> None:
    refusal = "I am sorry, but I cannot help you with this."
    rows = [*answers(100 - copies), *(chat(f"Other {n}?", refusal) for n in range(copies))]
    _, judgement = judged(outliers, chats(rows))
    assert judgement.verdict is verdict
    assert verdict is Verdict.PASS or "one and the same answer 25 times (25 %)" in judgement.message


def test_a_fixed_opening_warns() -> None:
    rows = [
        chat(f"Q {n}", f"Sure, I can help you with that! {row.messages[1]['content']}")
        for n, row in enumerate(answers(100))
    ]
    measured, judgement = judged(outliers, chats(rows))
    assert judgement.verdict is Verdict.WARN and "the same first sentence 100 times (100 %)" in judgement.message
    assert "comes 100 times" in measured.witnesses[-1].note


def test_one_answer_to_everything_warns_although_few_answers_differ() -> None:
    rows = [chat(f"Q {n}", "I am sorry, but as a language model I cannot help you with this.") for n in range(60)]
    assert judged(outliers, chats(rows))[1].verdict is Verdict.WARN


@pytest.mark.parametrize(
    "opening", ["## Step 1: look at the order\n\n", '{"thought": "none", "answer": "', "<think>\n"]
)
def test_a_form_that_all_answers_share_is_no_opening(opening: str) -> None:
    rows = [chat(f"Q {n}", f"{opening}{row.messages[1]['content']}") for n, row in enumerate(answers(100))]
    assert judged(outliers, chats(rows))[1].verdict is Verdict.PASS


def test_labels_may_repeat() -> None:
    rows = [chat(f"Text {n}", "the customer is very happy" if n % 2 else "the customer is angry") for n in range(100)]
    assert judged(outliers, chats(rows))[1].verdict is Verdict.PASS


def test_few_answers_are_not_judged() -> None:
    with pytest.raises(NotApplicableError, match="10 answers"):
        judged(outliers, chats(answers(10)))


def test_clean_real_data_pass(shared: Path) -> None:
    for name, one in clean(shared).items():
        if name != "drone":  # all of its answers are calls
            assert judged(outliers, one)[1].verdict is Verdict.PASS, name


def test_few_very_long_answers_that_hold_most_of_the_text_are_named() -> None:
    rows = [*answers(200), *(chat(f"All of it, {n}?", f"page {n} of it " * 600) for n in range(20))]
    measured, judgement = judged(outliers, chats(rows))
    assert judgement.verdict is Verdict.WARN and "20 very long ones hold" in judgement.message
    assert measured.witnesses, "the longest is shown"


def test_one_question_at_the_end_of_most_rows_is_named() -> None:
    asked = "Could you tell me when my order will come?"
    rows = [chat(f"Hello, {n} here.", "Hello!", asked, f"Answer number {n}, as it is.") for n in range(60)]
    measured, judgement = judged(outliers, chats([*answers(60), *rows]))
    assert "60 of 120 rows (50 %) end with one and the same question" in judgement.message
    assert any("ends 60 rows" in witness.note for witness in measured.witnesses)


def test_an_instruction_about_a_system_message_may_be_the_same_in_all_rows() -> None:
    rows = [chat("List the names in the text above.", f"Ann {n}.", system=f"Ann {n} came.") for n in range(60)]
    assert "question" not in judged(outliers, chats([*answers(60), *rows]))[1].message


def test_one_question_with_one_answer_is_a_repeated_row_and_no_mistake_of_its_own() -> None:
    rows = [chat("Could you tell me when my order will come?", "It comes tomorrow.") for _ in range(60)]
    assert "question" not in judged(outliers, chats([*answers(90), *rows]))[1].message
