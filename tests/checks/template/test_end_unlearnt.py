"""template-end-unlearnt: turns whose end is masked, or at which generation does not stop."""

from collections import Counter
from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.template import end_unlearnt as check
from sanetune.finding import Verdict, Witness
from tests.checks.template_material import Words, batch_stats, conversations, judged
from tests.data.chats import TOOLS, reply, user

STOPS = frozenset({2})
CHATS = conversations([user("one"), reply("two")])


def test_ends_that_are_in_the_loss_and_stop_pass() -> None:
    judgement = judged(check, check.measure(batch_stats(), STOPS, Words(), CHATS))
    assert judgement.verdict is Verdict.PASS
    assert "100 trained turns" in judgement.message and "</s> (100 %)" in judgement.message


@pytest.mark.parametrize(
    ("counters", "words"),
    [
        ({"turns_without_end": 40}, "40 (40 %) have no end token"),
        ({"turns_end_masked": 100}, "100 (100 %) have an end token that is masked"),
        ({"ends": Counter({4: 90, 2: 10})}, "90 (90 %) end with <|im_end|>, at which generation will not stop"),
    ],
)
def test_each_fault_fails_and_says_how_many(counters: dict[str, Any], words: str) -> None:
    judgement = judged(check, check.measure(batch_stats(**counters), STOPS, Words(), CHATS))
    assert judgement.verdict is Verdict.FAIL
    assert words in judgement.message


@pytest.mark.parametrize(("count", "verdict"), [(1, Verdict.WARN), (2, Verdict.FAIL)])
def test_single_turns_only_warn(count: int, verdict: Verdict) -> None:
    assert judged(check, check.measure(batch_stats(turns_without_end=count), STOPS, Words(), CHATS)).verdict is verdict


def test_a_second_stop_token_is_one_too() -> None:
    ends = batch_stats(ends=Counter({4: 50, 2: 50}))
    assert judged(check, check.measure(ends, frozenset({2, 4}), Words(), CHATS)).verdict is Verdict.PASS


def test_no_stop_token_at_all_is_said() -> None:
    assert "it stops at: none" in judged(check, check.measure(batch_stats(), frozenset(), Words(), CHATS)).message


def test_ids_without_a_name_are_shown_as_ids() -> None:
    assert "id 77" in judged(check, check.measure(batch_stats(ends=Counter({77: 9})), STOPS, Words(), CHATS)).message


def test_without_trained_turns_there_is_nothing_to_end() -> None:
    with pytest.raises(NotApplicableError):
        check.measure(batch_stats(turns=0, ends=Counter()), STOPS, Words(), CHATS)


def test_witnesses_of_all_faults_are_at_most_five() -> None:
    seen = {name: [Witness(name)] * 4 for name in ("turns_without_end", "turns_end_masked")}
    assert len(check.measure(batch_stats(turns_without_end=4, witnesses=seen), STOPS, Words(), CHATS).witnesses) == 5


def test_a_template_that_ends_no_turn_gives_way_to_chatml_where_that_can_render_the_rows() -> None:
    endless = batch_stats(turns_without_end=100)
    assert judged(check, check.measure(endless, STOPS, Words(), CHATS)).fix == {"model.chat_template": "chatml"}
    tools = conversations([user("one"), reply("two")], tools=TOOLS)
    assert judged(check, check.measure(endless, STOPS, Words(), tools)).fix == {}
    masked = batch_stats(turns_end_masked=100)
    assert judged(check, check.measure(masked, STOPS, Words(), CHATS)).fix == {}


def test_ends_masked_as_padding_are_left_to_the_check_of_padding() -> None:
    stats = batch_stats(turns_end_masked=100)
    stats.pad = 2
    with pytest.raises(NotApplicableError, match="labels-on-padding"):
        check.measure(stats, STOPS, Words(), CHATS)
    assert check.measure(stats, frozenset({4}), Words(), CHATS).numbers["end_masked"] == 100


def test_where_labels_are_their_neighbours_no_end_is_judged() -> None:
    shifted = batch_stats(turns_end_masked=100, documents=60, shifted=60)
    with pytest.raises(NotApplicableError, match="labels-shifted"):
        check.measure(shifted, STOPS, Words(), CHATS)
