"""Copies within a split are found, exact and near; templates and rows repeated on purpose are not taken for them."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.rows import duplicated
from sanetune.data.conversation import Conversation
from sanetune.errors import Place
from sanetune.finding import Verdict
from tests.checks.chats import chat, chats, clean, judged

CHANCE = Random(1)
VOCABULARY = [
    f"{a}{b}" for a in ("ba", "ko", "ri", "mu", "te", "sa", "ne") for b in ("lon", "dar", "vit", "gam", "pes")
]
VOCABULARY += [word + "s" for word in VOCABULARY] + [word + "en" for word in VOCABULARY]


def text(words: int) -> str:
    return " ".join(CHANCE.choices(VOCABULARY, k=words))


def rows(number: int) -> list[Conversation]:
    return [chat(text(30), text(30), row=n) for n in range(number)]


def reworded(row: Conversation, changes: int) -> Conversation:
    """The same with a few words of each turn changed, so many in all."""
    question, answer = (message["content"].split() for message in row.messages)
    for number in range(changes):
        words = (question, answer)[number % 2]
        words[CHANCE.randrange(len(words))] = f"new{CHANCE.random()}"
    return chat(" ".join(question), " ".join(answer))


def test_different_rows_pass_with_their_number() -> None:
    _, judgement = judged(duplicated, chats(rows(60), rows(10)))
    assert judgement.verdict is Verdict.PASS and "70 rows" in judgement.message


def test_exact_copies_are_found_whatever_case_white_space_and_unicode_form() -> None:
    some = rows(98)
    copy = chat("  " + some[3].messages[0]["content"].upper().replace(" ", "\n"), some[3].messages[1]["content"] + " ")
    wide = chat("ｈｅｌｌｏ wide world", "an answer"), chat("Hello wide world", "An answer")
    measured, judgement = judged(duplicated, chats([*some, copy, *wide]))
    assert judgement.verdict is Verdict.WARN
    assert measured.numbers["exact"] == 2 and "2 (2 %) are exact copies" in judgement.message
    witness = measured.witnesses[0]
    assert witness.place == Place("chats.jsonl", 99, 98) and "chats.jsonl:4, row 3" in witness.note
    assert some[3].messages[1]["content"][:100] in witness.beside


def test_a_large_share_of_copies_fails() -> None:
    some = rows(80)
    _, judgement = judged(duplicated, chats([*some, *(chat(*said(row)) for row in some[:20])]))
    assert judgement.verdict is Verdict.FAIL and "20 (20 %) are exact copies" in judgement.message
    _, judgement = judged(duplicated, chats([*some, *(chat(*said(row)) for row in some[:19])]))
    assert judgement.verdict is Verdict.WARN


def said(row: Conversation) -> list[str]:
    return [message["content"] for message in row.messages]


def test_one_copy_among_many_rows_passes_and_is_reported() -> None:
    some = rows(150)
    _, judgement = judged(duplicated, chats([*some, chat(*said(some[5]))]))
    assert judgement.verdict is Verdict.PASS and "1 (0.7 %) are exact copies" in judgement.message


def test_near_copies_are_found_with_their_exact_similarity() -> None:
    some = rows(100)
    near = [reworded(row, 3) for row in some[:40]]
    measured, judgement = judged(duplicated, chats([*some, *near]))
    assert judgement.verdict is Verdict.WARN
    assert measured.numbers["exact"] == 0 and measured.numbers["near"] >= 38, "recall of at least 95 %"
    assert all(w.beside and "% alike to chats.jsonl" in w.note for w in measured.witnesses)


def test_a_row_that_a_source_repeats_is_no_copy() -> None:
    some = [row for row in rows(30) for _ in range(3)]
    measured, judgement = judged(duplicated, chats_in_place(some))
    assert judgement.verdict is Verdict.PASS and measured.numbers["rows"] == 30


def chats_in_place(some: list[Conversation]):  # type: ignore[no-untyped-def]
    for row in some:  # rows are numbered from 1, as 0 means "number me" to the helper
        row.place = Place(row.place.file, row.place.line, (row.place.line or 0) + 100)
    return chats(some)


def test_rows_of_one_template_are_no_copies() -> None:
    letter = text(80)
    some = [chat(f"{letter} order {n}", f"{text(6)} {n}") for n in range(200)]
    measured, judgement = judged(duplicated, chats(some))
    assert measured.numbers["near"] == 0 and measured.numbers["templated"] > 100
    assert judgement.verdict is Verdict.PASS and "wording that many rows share" in judgement.message


def test_copies_across_the_splits_are_not_its_matter() -> None:
    some = rows(50)
    assert judged(duplicated, chats(some, some[:10]))[1].verdict is Verdict.PASS


def test_the_same_question_with_other_tools_is_no_copy() -> None:
    one, two = chat("Where?", "Here."), chat("Where?", "Here.")
    one.tools, two.tools = [{"name": "a"}], [{"name": "b"}]
    assert judged(duplicated, chats([one, two]))[0].numbers["exact"] == 0


def test_plain_texts_are_compared() -> None:
    texts = [Conversation([], Place("a.txt", n + 1, n), text=text(40)) for n in range(20)]
    again = Conversation([], Place("a.txt", 21, 20), text=texts[4].text)
    assert judged(duplicated, chats([*texts, again]))[0].numbers["exact"] == 1


def test_a_single_row_has_nothing_to_be_compared_with() -> None:
    with pytest.raises(NotApplicableError):
        judged(duplicated, chats(rows(1)))


def test_clean_real_data_pass(shared: Path) -> None:
    for name, one in clean(shared).items():
        measured, judgement = judged(duplicated, one)
        assert judgement.verdict is Verdict.PASS, name
        assert measured.numbers["exact"] == 0, name
