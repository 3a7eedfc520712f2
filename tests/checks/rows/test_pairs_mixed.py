"""Answers under other rows' prompts are found, whichever turn they are in; clean data have next to none."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.rows import pairs_mixed
from sanetune.data.conversation import Conversation
from sanetune.finding import Verdict
from tests.checks.chats import chat, chats, clean, judged, read
from tests.checks.rows.test_duplicated import rows as unrelated


def about(number: int, turns: int = 1) -> Conversation:
    """Rows whose answers take words of their own question up."""
    said: list[str] = []
    for turn in range(turns):
        name = f"thing{number}x{turn} place{number}x{turn}"
        said += [f"Where is {name}?", f"You find {name} at the end of the road."]
    return chat(*said)


def with_swapped(rows: list[Conversation], chosen: list[int], answer: int) -> list[Conversation]:
    """Each chosen row with the next one's answer in its place."""
    new = copy.deepcopy(rows)
    for row, other in zip(chosen, chosen[1:] + chosen[:1], strict=True):
        new[row].messages[answer]["content"] = rows[other].messages[answer]["content"]
    return new


@pytest.mark.parametrize(("share", "verdict"), [(0.0, "pass"), (0.03, "warn"), (0.3, "fail"), (1.0, "fail")])
def test_the_share_of_swapped_answers_decides(share: float, verdict: str) -> None:
    rows = [about(number) for number in range(200)]
    chosen = random.Random(0).sample(range(200), round(200 * share))
    measured, judgement = judged(pairs_mixed, chats(with_swapped(rows, chosen, 1)))
    assert judgement.verdict.value == verdict and measured.numbers["first"] == len(chosen)


def test_swapped_last_answers_of_several_are_found_among_the_last() -> None:
    rows = [about(number, turns=3) for number in range(120)]
    measured, judgement = judged(pairs_mixed, chats(with_swapped(rows, list(range(0, 120, 3)), 5)))
    assert (measured.numbers["first"], measured.numbers["last"]) == (0, 40)
    assert judgement.verdict is Verdict.FAIL and "40 of 120 last answers (33.3 %)" in judgement.message
    assert "fits the prompt of" in measured.witnesses[0].note


def test_rows_on_one_subject_are_no_mix() -> None:
    rows = [chat(f"Fact {n} of subject{n // 5} please?", f"Subject{n // 5}: fact {n} is so.") for n in range(200)]
    assert judged(pairs_mixed, chats(rows))[1].verdict is Verdict.PASS


def test_answers_that_share_no_words_with_prompts_are_a_skip() -> None:
    with pytest.raises(NotApplicableError, match="share rare words"):
        judged(pairs_mixed, chats(unrelated(100)))
    with pytest.raises(NotApplicableError, match="too few"):
        judged(pairs_mixed, chats([about(number) for number in range(20)]))


def test_clean_real_data_have_next_to_none(shared: Path) -> None:
    for name, store in clean(shared).items():
        try:
            judgement = judged(pairs_mixed, store)[1]
        except NotApplicableError:
            continue
        assert judgement.verdict is Verdict.PASS, name


@pytest.mark.parametrize("name", ["alpaca/instruction-data.json", "gsm8k/test.jsonl"])
def test_a_thirtieth_of_real_answers_swapped_is_found(name: str, shared: Path) -> None:
    rows = read(shared / "data" / name)
    chosen = random.Random(1).sample(range(len(rows)), len(rows) // 30)
    measured, judgement = judged(pairs_mixed, chats(with_swapped(rows, chosen, -1)))
    assert judgement.verdict is Verdict.WARN and measured.numbers["first"] >= len(chosen) / 3


@pytest.mark.parametrize("name", ["alpaca/instruction-data.json", "gsm8k/test.jsonl"])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_how_many_real_answers_are_swapped_is_estimated(name: str, share: float, shared: Path) -> None:
    rows = read(shared / "data" / name)
    chosen = random.Random(2).sample(range(len(rows)), round(len(rows) * share))
    n = judged(pairs_mixed, chats(with_swapped(rows, chosen, -1)))[0].numbers
    estimate = n["first"] / (n["first"] + n["first_telling"])
    assert 0.7 * share <= estimate <= 1.2 * share
    assert n["first"] / n["first_asked"] <= estimate


def test_last_answers_of_real_rows_that_belong_to_others_are_seen_over_all_rows(shared: Path) -> None:
    rows = read(shared / "data/airline/gpt-4o-airline.json", {"messages": "traj"})
    for row in rows:
        while row.messages[-1]["role"] != "assistant":
            row.messages.pop()
    measured, judgement = judged(pairs_mixed, chats(rows))
    assert judgement.verdict is Verdict.PASS and measured.numbers["last_t"] > 10
    chosen = random.Random(0).sample(range(len(rows)), len(rows))
    last = [rows[number].messages[-1] for number in chosen]
    for number, message in zip(chosen, last[1:] + last[:1], strict=True):
        rows[number].messages[-1] = message
    measured, judgement = judged(pairs_mixed, chats(rows))
    assert judgement.verdict is not Verdict.PASS and measured.numbers["last_t"] < 3
