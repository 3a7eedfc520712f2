"""Prints propose the right pairs, and what is told of a pair is exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.checks.base import Check
from sanetune.checks.rows import _near_duplicates as near_duplicates
from sanetune.checks.rows import duplicated
from sanetune.checks.rows._minhash import first_of, hashes_of, minhash_signatures, words
from sanetune.data.conversation import Conversation
from sanetune.errors import Place
from sanetune.text import normalise
from tests.checks.chats import chat, read, roles, side
from tests.checks.rows.test_duplicated import reworded, rows

LIMITS = Check.of(duplicated).defaults | {"fewest_pairs": 0}

WORDS = st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=12)


@given(WORDS, WORDS)
def test_similarity_is_symmetric_and_one_only_for_the_same_pairs(one: list[bytes], other: list[bytes]) -> None:
    degree = near_duplicates.alike(one, other)
    assert degree == near_duplicates.alike(other, one) and 0 <= degree <= 1
    assert near_duplicates.alike(one, one) == 1
    assert (degree == 1) == (near_duplicates._pairs(one) == near_duplicates._pairs(other))


def test_similarity_by_hand() -> None:
    assert near_duplicates.alike(b"a b c d".split(), b"a b c e".split()) == pytest.approx(2 / 4)
    assert near_duplicates.alike([b"a"], [b"b"]) == 0


@given(st.text(max_size=60))
def test_normal_text_stays_as_it_is(text: str) -> None:
    assert normalise(f" {text}\n") == normalise(text)


def test_words_of_scripts_without_spaces_are_characters() -> None:
    assert [word.decode() for word in words(chat("你好 world", "ok"))] == ["你", "好", "world", "ok"]


def test_calls_and_reasoning_count_and_the_ids_of_calls_do_not() -> None:
    one, two = roles("u c t a"), roles("u c t a")
    one.messages[1]["tool_calls"][0]["id"], two.messages[1]["tool_calls"][0]["id"] = "call_1", "call_2"
    three = roles("u c t a")
    three.messages[1]["tool_calls"][0]["function"]["arguments"] = {"at": "elsewhere"}
    whole = minhash_signatures(side("train", [one, two, three])).whole_N
    assert whole[0] == whole[1] != whole[2]


def test_first_of_gives_the_first_equal_value() -> None:
    assert first_of(np.array([5, 3, 5, 3, 9], np.uint64)).tolist() == [0, 1, 0, 1, 4]


def test_prints_are_made_once_and_go_with_their_split() -> None:
    import gc

    from sanetune.checks.rows import _minhash as module

    split = side("train", rows(3))
    assert minhash_signatures(split) is minhash_signatures(split)
    before = len(module._kept)
    del split
    gc.collect()
    assert len(module._kept) < before


def test_proposed_pairs_are_those_of_a_full_comparison(shared: Path) -> None:
    some = read(shared / "data/gsm8k/test.jsonl")[:250]
    split = side("train", [*some, *(reworded(row, 3) for row in some[:50])])
    found = near_duplicates.near_copies(split, np.arange(300), split, np.arange(300), LIMITS, shown=300)
    texts = [words(row) for row in split]
    wanted = {
        row for row in range(300) for other in range(row) if near_duplicates.alike(texts[row], texts[other]) >= 0.72
    }
    assert len(wanted) >= 45
    assert {pair.row for pair in found.pairs} <= wanted
    assert len(found.pairs) >= 0.95 * len(wanted) and found.count == len(found.pairs)
    assert all(pair.alike == near_duplicates.alike(texts[pair.row], texts[pair.other]) for pair in found.pairs)


def test_more_pairs_than_can_be_read_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    some = rows(60)
    split = side("train", [*some, *(reworded(row, 1) for row in some)])
    everything = np.arange(120)
    monkeypatch.setattr(near_duplicates, "READ_AGAIN", 20)
    found = near_duplicates.near_copies(split, everything, split, everything, LIMITS)
    assert 54 <= found.count <= 66


def test_empty_and_odd_rows_have_prints() -> None:
    odd = [chat("", ""), chat("\x00", "…"), Conversation([], Place("a", 1, 7), text=""), chat("word", "word")]
    found = minhash_signatures(side("train", odd))
    assert len(found) == 4 and found.pairs_N.tolist()[0] == 0
    copies = near_duplicates.near_copies(side("train", odd), np.arange(4), side("train", []), np.arange(0), LIMITS)
    assert copies.count == 0


def test_a_row_of_a_megabyte_leaves_a_print_of_the_usual_size() -> None:
    found = minhash_signatures(side("train", [chat("many " * 100_000, "words " * 100_000), chat("few", "words")]))
    assert found.minima_NM.shape == (2, 80)
    assert len(hashes_of([b"a", b"b", b"c"])) == 2
