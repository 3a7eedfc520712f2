"""Validation rows that are also in training are found: exactly, by their prompt, and nearly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.rows import leaked
from sanetune.data.conversation import Conversation
from sanetune.errors import Place
from sanetune.finding import Measurement, Verdict
from tests.checks.chats import chat, chats, clean, judged, read, side
from tests.checks.rows.test_duplicated import reworded, rows, said, text


def test_splits_without_common_rows_pass() -> None:
    _, judgement = judged(leaked, chats(rows(90), rows(10)))
    assert judgement.verdict is Verdict.PASS
    assert "10 validation rows against 90 training rows" in judgement.message


def test_a_row_on_both_sides_is_shown_with_both_places() -> None:
    some = rows(60)
    measured, judgement = judged(leaked, chats(some, [*rows(9), chat(*said(some[7]))]))
    assert judgement.verdict is Verdict.FAIL
    assert "1 of 10 validation rows (10 %)" in judgement.message and "1 exactly" in judgement.message
    (witness,) = measured.witnesses
    assert str(witness.place) == "validation.jsonl:10, row 9" and "chats.jsonl:8, row 7" in witness.note
    assert witness.text == witness.beside


def test_the_same_prompt_with_another_answer_counts() -> None:
    some = rows(60)
    measured, judgement = judged(leaked, chats(some, [*rows(9), chat(said(some[7])[0], text(30))]))
    assert judgement.verdict is Verdict.FAIL and "1 with the same prompt and another answer" in judgement.message
    assert measured.witnesses[0].text != measured.witnesses[0].beside


def test_one_row_in_forty_only_warns() -> None:
    some = rows(60)
    for copy in (chat(said(some[7])[0], text(30)), chat(*said(some[7]))):
        assert judged(leaked, chats(some, [*rows(39), copy]))[1].verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("copies", "of", "verdict"),
    [
        *[(1, 10, Verdict.FAIL), (1, 40, Verdict.WARN), (2, 40, Verdict.FAIL), (2, 100, Verdict.WARN)],
        *[(3, 100, Verdict.FAIL), (99, 10_000, Verdict.WARN), (100, 10_000, Verdict.FAIL)],
    ],
)
def test_copies_fail_where_they_lower_the_validation_loss_by_more_than_its_noise(
    copies: int, of: int, verdict: Verdict
) -> None:
    numbers = {"validation": of, "train": 500, "exact": copies, "prompt": 0, "part": 0, "near": 0, "templated": 0}
    limits = {name: limit.value for name, limit in leaked.LIMITS.items()}
    judgement = leaked.judge(Measurement({**numbers, "alike": 0.72}), limits)
    assert judgement.verdict is verdict
    losses = np.random.default_rng(0).normal(2.0, 0.6, of)  # a spread of 0.3 of the mean
    error = losses.std() / of**0.5
    lower = losses.mean() * copies / of
    assert (verdict is Verdict.FAIL) == (lower > max(0.95 * error, 0.00999 * losses.mean()))


def test_one_leaked_row_among_many_only_warns() -> None:
    some = rows(60)
    _, judgement = judged(leaked, chats(some, [*rows(110), chat(*said(some[7]))]))
    assert judgement.verdict is Verdict.WARN


def test_near_copies_are_found_and_their_share_decides() -> None:
    some = rows(100)
    near = [reworded(row, 3) for row in some]
    measured, judgement = judged(leaked, chats(some, near))
    assert measured.numbers["near"] + measured.numbers["prompt"] >= 95, "recall of at least 95 %"
    assert judgement.verdict is Verdict.FAIL
    measured, judgement = judged(leaked, chats(some, [*rows(50), near[0]]))
    assert judgement.verdict is Verdict.WARN and "1 nearly" in judgement.message
    assert "alike to training row" in measured.witnesses[0].note and measured.witnesses[0].beside


def test_greetings_and_one_instruction_for_all_rows_do_not_count() -> None:
    greeted = [chat("Hello!", text(30)) for _ in range(5)]
    instructed = [chat("Write a short story for children.", text(40)) for _ in range(40)]
    validation = [chat("Hello!", text(30)), chat("Write a short story for children.", text(40))]
    _, judgement = judged(leaked, chats([*greeted, *instructed], validation))
    assert judgement.verdict is Verdict.PASS


def test_the_same_words_under_another_system_message_do_not_count() -> None:
    one = chat("Sum up the text above, please.", text(30), system=text(20))
    two = chat("Sum up the text above, please.", text(30), system=text(20))
    assert judged(leaked, chats([one, *rows(5)], [two]))[1].verdict is Verdict.PASS


def test_rows_of_one_template_are_no_leak() -> None:
    letter = text(80)
    some = [chat(f"{letter} order {n}", f"{text(6)} {n}") for n in range(220)]
    measured, judgement = judged(leaked, chats(some[:200], some[200:]))
    assert judgement.verdict is Verdict.PASS and measured.numbers["templated"] > 0


def test_short_rows_that_differ_in_a_word_are_different_questions() -> None:
    train = [
        chat(f"How many cats live in house {n} of this long street?", f"In house {n} live {n % 7}.") for n in range(9)
    ]
    validation = [chat("How many cats live in house 77 of this long street?", "In house 77 live 2.")]
    assert judged(leaked, chats(train, validation))[1].verdict is Verdict.PASS


def test_without_validation_there_is_nothing_to_leak() -> None:
    with pytest.raises(NotApplicableError, match="no validation"):
        judged(leaked, chats(rows(5)))


def test_clean_real_data_pass(shared: Path) -> None:
    for name, one in clean(shared).items():
        measured, judgement = judged(leaked, one)
        assert judgement.verdict is Verdict.PASS, name
        assert measured.numbers["exact"] == measured.numbers["prompt"] == measured.numbers["near"] == 0, name


def test_reworded_real_rows_are_found(shared: Path) -> None:
    train = read(shared / "data/gsm8k/test.jsonl")[:600]
    validation = [reworded(row, 3) for row in train if 50 <= len(" ".join(said(row)).split()) <= 90][:100]
    split = side("validation", validation)
    measured, _ = judged(leaked, type(chats([]))(side("train", train), split))
    assert measured.numbers["near"] + measured.numbers["prompt"] >= 0.95 * len(validation)


def plain(said: str) -> Conversation:
    return Conversation([], Place("pages.jsonl", None, 0), text=said)


def many_turns() -> list[str]:
    return [text(12) for _ in range(10)]


def test_parts_of_a_longer_conversation_are_found_in_either_direction() -> None:
    whole = [many_turns() for _ in range(30)]
    beginnings = [chat(*turns[:4]) for turns in whole[:10]]
    middles = [chat(*turns[4:8]) for turns in whole[10:20]]
    measured, judgement = judged(leaked, chats([chat(*turns) for turns in whole], [*beginnings, *middles, *rows(5)]))
    assert measured.numbers["part"] == 20 and judgement.verdict is Verdict.FAIL
    assert "20 as part of a longer row" in judgement.message
    assert "2 of its 2 answers are in training row" in measured.witnesses[0].note
    measured, _ = judged(leaked, chats([chat(*turns[:8]) for turns in whole], [chat(*turns) for turns in whole]))
    assert measured.numbers["part"] == 30, "the longer row may be the validation row"


def test_a_part_under_another_system_message_is_found() -> None:
    whole = [many_turns() for _ in range(30)]
    validation = [chat(*turns[:4], system=text(20)) for turns in whole[:10]]
    assert judged(leaked, chats([chat(*turns) for turns in whole], validation))[0].numbers["part"] == 10


def test_greetings_and_set_phrases_inside_longer_conversations_are_no_leak() -> None:
    greeting = ("Hello, how are you?", "I am doing well, thank you for asking! How can I help you today?")
    farewell = ("Thanks, that is all for now.", "You are welcome! " + text(20))
    train = [chat(*greeting, *many_turns()) for _ in range(5)] + [chat(*many_turns(), *farewell) for _ in range(30)]
    validation = [chat(*greeting, text(12), text(30)), chat(*greeting), chat(text(12), text(9), *farewell)]
    measured, judgement = judged(leaked, chats(train, validation))
    assert measured.numbers["part"] == 0 and judgement.verdict is Verdict.PASS


def test_a_page_of_plain_text_inside_a_longer_one_is_found() -> None:
    pages = [[text(15) for _ in range(12)] for _ in range(20)]
    train = [plain("\n".join(lines)) for lines in pages]
    validation = [plain("\n".join(lines[4:8])) for lines in pages[:8]] + [plain(text(40))]
    measured, _ = judged(leaked, chats(train, validation))
    assert measured.numbers["part"] == 8
