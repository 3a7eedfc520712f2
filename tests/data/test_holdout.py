"""Held-out rows share no prompt with the others, stay held out when rows are added, and are as many as asked."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.data.conversation import Conversation
from sanetune.data.conversation_reader import read_conversations
from sanetune.data.holdout import prompt_key, split
from sanetune.data.sources.source import Source
from sanetune.errors import Place

keys = st.lists(st.integers(0, 400).map(lambda n: n.to_bytes(2)), max_size=400)
share_values, seeds = st.floats(0, 1), st.integers(-(2**70), 2**70)


@given(keys=keys, share=share_values, seed=seeds)
def test_every_row_is_in_one_split_and_every_key_too(keys: list[bytes], share: float, seed: int) -> None:
    train, held_out = split(keys, share, seed)
    assert sorted(train + held_out) == list(range(len(keys)))
    assert train == sorted(train)
    assert held_out == sorted(held_out)
    assert not {keys[i] for i in train} & {keys[i] for i in held_out}
    assert (train, held_out) == split(keys, share, seed)


@given(keys=keys, share=st.floats(0.001, 0.999), seed=seeds)
def test_neither_split_is_empty_when_there_are_two_keys(keys: list[bytes], share: float, seed: int) -> None:
    train, held_out = split(keys, share, seed)
    if len(set(keys)) > 1:
        assert train
        assert held_out
    else:
        assert not held_out


@given(count=st.integers(30, 3000), share=st.floats(0.02, 0.5), seed=st.integers(0, 10**6))
def test_the_share_is_met_within_the_spread_of_a_draw(count: int, share: float, seed: int) -> None:
    _, held_out = split([n.to_bytes(4) for n in range(count)], share, seed)
    assert abs(len(held_out) - share * count) <= 5 * math.sqrt(count * share * (1 - share)) + 1


@given(extra=st.integers(1, 3000), seed=seeds)
def test_rows_stay_in_their_split_when_others_are_added(extra: int, seed: int) -> None:
    keys = [n.to_bytes(4) for n in range(300 + extra)]
    before, after = split(keys[:300], 0.1, seed)[1], split(keys, 0.1, seed)[1]
    assert before == [i for i in after if i < 300]


@given(seed=seeds)
def test_one_prompt_never_makes_up_the_validation(seed: int) -> None:
    keys = [b"same"] * 500 + [n.to_bytes(4) for n in range(500)]
    _, held_out = split(keys, 0.1, seed)
    assert held_out
    assert min(held_out) >= 500
    assert max(Counter(keys[i] for i in held_out).values()) == 1


def test_the_ends_of_the_range_are_exact() -> None:
    keys = [b"a", b"b", b"c"]
    assert split(keys, 0, 1) == ([0, 1, 2], [])
    assert split(keys, 1, 1) == ([], [0, 1, 2])
    assert split([], 0.5, 1) == ([], [])
    assert split([b"a"] * 3, 0.5, 1) == ([0, 1, 2], [])
    with pytest.raises(ValueError, match="between 0 and 1"):
        split(keys, 1.5, 1)


def test_seeds_draw_different_rows() -> None:
    keys = [n.to_bytes(4) for n in range(200)]
    assert len({tuple(split(keys, 0.1, seed)[1]) for seed in range(10)}) == 10


def chat(*turns: tuple[str, str]) -> bytes:
    return prompt_key(Conversation([{"role": role, "content": text} for role, text in turns], Place()))


def test_conversations_that_open_alike_have_one_key() -> None:
    base = chat(("user", "What is \uff21?"), ("assistant", "x"))
    assert base == chat(("user", "  what IS\n A? "), ("assistant", "other"), ("user", "more"))
    assert len(base) == 16
    assert base != chat(("system", "Be brief."), ("user", "What is A?"))
    assert chat(("system", "a"), ("user", "b")) != chat(("system", "a b"), ("user", ""))
    assert chat(("assistant", "a")) != chat(("assistant", "b"))
    text = [prompt_key(Conversation([], Place(), text=text)) for text in ("Once  upon", "once upon", "twice")]
    assert text[0] == text[1] != text[2]


def test_no_real_prompt_is_on_both_sides(shared: Path) -> None:
    conversations = list(
        read_conversations([Source(str(shared / "data" / name)) for name in ("alpaca", "sharegpt", "gsm8k")])
    )
    keys = [prompt_key(conversation) for conversation in conversations]
    train, held_out = split(keys, 0.1, 0)
    assert abs(len(held_out) / len(keys) - 0.1) < 0.02
    first = [next((m["content"] for m in c.messages if m["role"] == "user"), "") for c in conversations]
    assert not {first[i] for i in train} & {first[i] for i in held_out}
