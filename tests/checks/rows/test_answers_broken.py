"""Answers that stop in mid-sentence are found in any language; other ways of ending an answer are not."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.rows import answers_broken
from sanetune.data.conversation import Conversation
from sanetune.finding import Verdict
from tests.checks.chats import chat, chats, clean, judged, read

ENGLISH = "The cat of the house is on the mat. In the garden, the dog of the neighbours sleeps under the tree."
GERMAN = "Der Hund liegt auf der Wiese. Die Katze sitzt neben dem Baum, und der Vogel ist auf der Leiter."


def rows(text: str, number: int = 60) -> list[Conversation]:
    return [chat(f"Question {n}?", f"{text} It is {n}.") for n in range(number)]


@pytest.mark.parametrize(
    ("base", "answer", "kind"),
    [
        (ENGLISH, "In the garden, the cat is on the", "word"),
        (ENGLISH, "In the garden, the cat and the neigh", "letter"),
        (ENGLISH, "In the garden, the cat of the house,", "mark"),
        (ENGLISH, "Like this, in the garden:\n```python\nfor cat in the garden:", "mark"),
        (ENGLISH, "In the garden:\n```python\nprint(cat)", "mark"),
        (GERMAN, "Die Katze liegt auf der", "word"),
    ],
)
def test_where_an_answer_stops_is_named(base: str, answer: str, kind: str) -> None:
    more = ["In the garden the gar", "The cat of the neighb", "There is the nei"] if kind == "letter" else [answer] * 3
    broken = [chat("And?", one) for one in [*more, answer]]
    measured, judgement = judged(answers_broken, chats([*rows(base), *broken]), None)
    assert measured.numbers[kind] >= 3 and judgement.verdict is Verdict.WARN
    assert measured.witnesses[0].place.message == 1


@pytest.mark.parametrize(
    "answer",
    [
        "The cat sleeps under the tree",
        "In the garden, the dog of the",  # three words or fewer on a line are no sentence:
        "Cats:\n- the cat of\n- the dog of",
        "The answer is in the table:\n\n| the | of the |",
        "The garden of the house is at https://example.org/the",
        "In the garden of the house:\n```\nthe cat of the\n```",
        "print(cat)\n```",  # closes the block that its prompt has opened
        "It is 42",
    ],
)
def test_other_ways_to_end_pass(answer: str) -> None:
    few = 2 if answer.startswith("In the garden, the dog") else 8  # two are slips
    _, judgement = judged(answers_broken, chats([*rows(ENGLISH), *(chat("And?", answer) for _ in range(few))]), None)
    assert judgement.verdict is Verdict.PASS, judgement.message


def test_a_signature_under_every_answer_hides_nothing() -> None:
    signed = [chat(f"Question {n}?", f"{ENGLISH} It is {n}.\n\nBest regards from the shop") for n in range(60)]
    assert judged(answers_broken, chats(signed), None)[1].verdict is Verdict.PASS
    broken = [chat("And?", "In the garden, the cat is on the") for _ in range(4)]
    assert judged(answers_broken, chats([*signed, *broken]), None)[1].verdict is Verdict.WARN


def test_a_few_answers_are_too_few_to_tell() -> None:
    with pytest.raises(NotApplicableError, match="10 answers"):
        judged(answers_broken, chats(rows(ENGLISH, 10)), None)


def test_clean_real_data_pass(shared: Path) -> None:
    found = clean(shared)
    found["airline"] = chats(read(shared / "data/airline/gpt-4o-airline.json", {"messages": "traj"}))
    del found["drone"]  # its answers are calls
    for name, store in found.items():
        measured, judgement = judged(answers_broken, store, None)
        assert judgement.verdict is Verdict.PASS, name
        assert sum(measured.numbers[kind] for kind in answers_broken.FAULTS) == 0, name


@pytest.mark.parametrize(
    "name", ["alpaca/instruction-data.json", "sharegpt/dummy_conversation.json", "gsm8k/test.jsonl"]
)
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_truncated_real_answers_are_found(name: str, share: float, shared: Path) -> None:
    chance = random.Random(3)
    some = copy.deepcopy(read(shared / "data" / name))
    for one in some:
        last = one.messages[-1]
        if len(last["content"].split()) >= 8 and chance.random() < share:
            last["content"] = last["content"][: chance.randrange(len(last["content"]) // 3, len(last["content"]) - 1)]
    assert judged(answers_broken, chats(some), None)[1].verdict in (Verdict.WARN, Verdict.FAIL)


@pytest.mark.parametrize("name", ["airline/gpt-4o-airline.json", "sharegpt/dummy_conversation.json"])
@pytest.mark.parametrize("at", ["word", "letter"])
def test_most_truncated_answers_are_counted_where_whole_ones_end_with_a_mark(name: str, at: str, shared: Path) -> None:
    """A share of 5 %; what is left are ends of three words or fewer in their line, which may be headings."""
    chance = random.Random(5)
    some = copy.deepcopy(read(shared / "data" / name, {"messages": "traj"} if "airline" in name else None))
    cut = 0
    for one in some:
        for message in one.messages:
            text = message["content"]
            if message["role"] != "assistant" or len(text) < 80 or "\n" in text or chance.random() > 0.05:
                continue
            length = chance.randrange(len(text) // 2, len(text) - 10)
            message["content"] = text[: text.rindex(" ", 0, length)] if at == "word" else text[:length].rstrip()
            cut += message["content"][-1:].isalnum()
    n = judged(answers_broken, chats(some), None)[0].numbers
    found = sum(n[kind] for kind in answers_broken.FAULTS)
    assert cut >= 10
    assert 0.75 * cut <= found + n["probable"] <= 1.1 * cut


def test_answers_that_end_without_a_mark_by_habit_are_not_counted(shared: Path) -> None:
    steps = list(copy.deepcopy(read(shared / "data/gsm8k/test.jsonl")))
    for number, one in enumerate(steps):
        working = one.messages[-1]["content"].partition("\n####")[0]
        one.messages[-1]["content"] = working if number % 20 else working[: len(working) * 2 // 3]
    n = judged(answers_broken, chats(steps), None)[0].numbers
    assert n["unmarked"] > 0.25 * n["answers"] and "probable" not in n
