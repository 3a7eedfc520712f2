"""What is in a batch is counted as it is: injected labels, padding, packs and order are found, and only they."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.data.collator import Collator
from sanetune.errors import Place
from sanetune.evidence.batch_scan import BatchScanner
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.known_examples import KnownExamples
from sanetune.evidence.registry import MissingError
from sanetune.evidence.token_roles import EITHER, IN_LOSS, OUTSIDE_LOSS, TokenRole, TokenRoles, digest

PAD = 0


class Words:
    """A tokenizer with as much as a reader needs."""

    unk_token_id, bos_token_id, eos_token_id = 1, 2, 3

    def decode(self, ids: Any) -> str:
        return " ".join(map(str, np.asarray(ids).tolist()))


def example(number: int, prompt: int = 3, answer: int = 3) -> dict[str, Any]:
    """Ids that only this example has: a prompt, an answer, an end (3)."""
    ids = [10 + number, *range(1000 + 10 * number, 1000 + 10 * number + prompt + answer - 1), 3]
    return {"input_ids": ids, "labels": [-100] * prompt + ids[prompt:]}


def roles_of(rows: list[dict[str, Any]]) -> Any:
    known = {}
    for number, row in enumerate(rows):
        size = len(row["input_ids"])
        who, wanted = np.full(size, TokenRole.USER, np.int8), np.full(size, OUTSIDE_LOSS, np.int8)
        who[3:], wanted[3:] = TokenRole.ASSISTANT, IN_LOSS
        who[-1] = TokenRole.END
        known[digest(row["input_ids"])] = TokenRoles(who, wanted, size, number)
    return lambda ids: known.get(digest(ids))


def read(rows: list[dict[str, Any]], batches: list[dict[str, Any]], pad: int | None = PAD) -> SplitStats:
    numbers: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        numbers.setdefault(digest(row["input_ids"]), []).append(number)
    side = SplitStats("train", len(rows))
    known = KnownExamples(len(rows), numbers, lambda number: Place("rows.jsonl", number + 1, number))
    BatchScanner(side, known, roles_of(rows), Words(), pad).read(batches)
    return side


ROWS = [example(number, answer=3 + number % 4) for number in range(12)]
BATCHES = [Collator(PAD)(ROWS[start : start + 4]) for start in range(0, 12, 4)]


def test_a_clean_epoch_is_counted_exactly() -> None:
    side = read(ROWS, BATCHES)
    tokens = sum(len(row["input_ids"]) for row in ROWS)
    in_loss = sum(len(row["input_ids"]) - 3 for row in ROWS)
    places = sum(batch["input_ids"].numel() for batch in BATCHES)
    assert (side.documents, side.tokens, side.loss_tokens, side.padding) == (12, tokens, in_loss, places - tokens)
    assert (side.loss_tokens_by["assistant"], side.loss_tokens_by["end"], side.turns) == (in_loss - 12, 12, 12)
    assert side.masked_tokens_by == {"user": 12 * 2}, "the first token of each, which nothing predicts, is not counted"
    assert side.ends == {3: 12}
    zero = (
        "padding_in_loss",
        "fully_masked",
        "changed",
        "disagree",
        "missing_reply",
        "truncated",
        "never",
        "repeated",
        "not_in_data",
    )
    assert [getattr(side, name) for name in zero] == [0] * len(zero)
    assert not side.witnesses


def test_packs_and_flattened_packs_are_split_into_the_same_documents() -> None:
    packs = [
        {
            "input_ids": [token for row in part for token in row["input_ids"]],
            "labels": [label for row in part for label in row["labels"]],
            "seq_lengths": [len(row["input_ids"]) for row in part],
        }
        for part in (ROWS[:5], ROWS[5:12])
    ]
    padded = read(ROWS, BATCHES)
    for flatten in (False, True):
        side = read(ROWS, [Collator(PAD, packed=True, flatten=flatten)(packs)])
        assert side.packed
        same = (
            "documents",
            "tokens",
            "loss_tokens",
            "loss_tokens_by",
            "masked_tokens_by",
            "turns",
            "ends",
            "disagree",
            "never",
        )
        assert [getattr(side, name) for name in same] == [getattr(padded, name) for name in same]


def altered(change: Any) -> SplitStats:
    batches = [{name: value.clone() for name, value in batch.items()} for batch in BATCHES]
    change(batches)
    return read(ROWS, batches)


def test_in_the_loss_prompts_are_counted_by_who_wrote_them() -> None:
    def injected(batches: Any) -> None:
        batches[0]["labels"][0, 1:3] = batches[0]["input_ids"][0, 1:3]

    side = altered(injected)
    assert (side.loss_tokens_by["user"], side.disagree, side.disagree_documents) == (2, 2, 1)
    witness = side.witnesses["on_prompt"][0]
    assert witness.place == Place("rows.jsonl", 1, 0)
    assert "token 1 of 7" in witness.note


def test_masked_answers_and_ends_are_counted() -> None:
    def injected(batches: Any) -> None:
        batches[0]["labels"][0, 3:5] = -100
        batches[1]["labels"][batches[1]["input_ids"] == 3] = -100

    side = altered(injected)
    assert (side.missing_reply, side.turns_end_masked, side.disagree) == (2, 4, 6)


def test_shifted_labels_are_reported_from_others_that_are_wrong() -> None:
    def shift(batches: Any) -> None:
        for batch in batches:
            batch["labels"][:, :-1] = torch.where(batch["labels"][:, 1:] >= 0, batch["labels"][:, 1:], -100)
            batch["labels"][:, -1] = -100

    side = altered(shift)
    assert side.shifted == 12
    assert side.changed > 12

    def swap(batches: Any) -> None:
        batches[0]["labels"][0, 4] = 77

    side = altered(swap)
    assert (side.changed, side.shifted) == (1, 0)


def test_in_the_loss_padding_and_blank_documents_are_counted() -> None:
    def injected(batches: Any) -> None:
        batches[0]["labels"][0, -1] = PAD
        batches[1]["labels"][0] = -100

    side = altered(injected)
    assert (side.padding_in_loss, side.fully_masked) == (1, 1)
    assert side.documents == 12


def test_rows_that_never_come_come_twice_or_are_strangers_are_counted() -> None:
    strange = Collator(PAD)([example(99)])
    side = read(ROWS, [*BATCHES[:2], BATCHES[0], strange])
    assert (side.never, side.repeated, side.not_in_data, side.documents) == (4, 4, 1, 13)


def test_copies_of_one_row_count_as_often_as_the_data_has_them() -> None:
    twice = [*ROWS, ROWS[0]]
    side = read(twice, [*BATCHES, Collator(PAD)([ROWS[0]])])
    assert (side.never, side.repeated) == (0, 0)


def test_file_order_is_seen_and_shuffled_order_is_not_taken_for_it() -> None:
    assert not read(ROWS, BATCHES).shuffled
    order = np.random.default_rng(0).permutation(12)
    mixed = [Collator(PAD)([ROWS[index] for index in order])]
    assert read(ROWS, mixed).shuffled


def test_a_batch_without_mask_has_its_trailing_padding_taken_off() -> None:
    """Some collators give neither mask nor positions."""
    batches = [{name: batch[name] for name in ("input_ids", "labels")} for batch in BATCHES]
    side = read(ROWS, batches)
    assert (side.documents, side.not_in_data, side.fully_masked) == (12, 0, 0)


def test_unknown_and_double_first_tokens_are_counted() -> None:
    rows = [{"input_ids": [2, 2, 1, 1, 5], "labels": [-100, -100, 1, 1, 5]}]
    side = read(rows, [Collator(PAD)(rows)])
    assert (side.double_bos, side.unknown_tokens, side.largest_id) == (1, 2, 5)


@pytest.mark.parametrize(
    ("ids", "masked", "count"),
    [
        ([2, 7, 8, 2, 9, 3], 3, 1),  # an answer that was tokenized by itself
        ([2, 7, 3, 2, 9, 3], 3, 0),  # behind an end another text begins
        ([2, 7, 8, 2, 9, 3], 4, 0),  # masked
        ([2, 7, 8, 9, 2, 3], 3, 0),  # inside an answer
    ],
)
def test_a_beginning_token_where_the_loss_begins_is_counted(ids: list[int], masked: int, count: int) -> None:
    row = {"input_ids": ids, "labels": [-100] * masked + ids[masked:]}
    batch = {name: torch.tensor([value]) for name, value in row.items()}
    assert read([row], [batch]).inner_bos == count


def test_a_turn_of_chatml_begins_with_the_token_and_has_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Words, "decode", lambda words, ids, **more: "assistant\nHi" if 8 in ids else "Hi")
    for word, count in ((8, 0), (9, 1)):
        row = {"input_ids": [2, 7, 3, 4, 2, word, 9, 3], "labels": [-100] * 4 + [2, word, 9, 3]}
        batch = {name: torch.tensor([value]) for name, value in row.items()}
        assert read([row], [batch]).inner_bos == count


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 6), st.booleans())
def test_any_batching_of_the_same_rows_is_counted_alike(answers: list[int], size: int, left: bool) -> None:
    rows = [example(number, answer=answer) for number, answer in enumerate(answers)]
    batches = [Collator(PAD)(rows[start : start + size]) for start in range(0, len(rows), size)]
    if left:
        batches = [{name: torch.flip(value, [1]) for name, value in batch.items()} for batch in batches]
        for batch in batches:  # real tokens in their order again, padding on the left
            for row in range(len(batch["input_ids"])):
                real = batch["attention_mask"][row].bool()
                for name in ("input_ids", "labels"):
                    batch[name][row][real] = torch.flip(batch[name][row][real], [0])
    side = read(rows, batches)
    assert side.documents == len(rows)
    assert side.tokens == sum(len(row["input_ids"]) for row in rows)
    assert side.loss_tokens == sum(label != -100 for row in rows for label in row["labels"])
    assert (side.never, side.not_in_data, side.disagree) == (0, 0, 0)


def test_tokens_on_which_tools_differ_are_no_disagreement() -> None:
    row = example(0)
    size = len(row["input_ids"])
    wanted = np.full(size, EITHER, np.int8)
    side = SplitStats("train", 1)
    roles = TokenRoles(np.full(size, TokenRole.TEMPLATE, np.int8), wanted, size)
    BatchScanner(side, KnownExamples(1, {digest(row["input_ids"]): [0]}), lambda ids: roles, Words(), PAD).read(
        [Collator(PAD)([row])]
    )
    assert side.disagree == 0


@pytest.mark.parametrize("dtype", [torch.long, torch.int32])
def test_integers_of_any_size_are_read(dtype: torch.dtype) -> None:
    batches = [{name: value.to(dtype) for name, value in batch.items()} for batch in BATCHES]
    assert read(ROWS, batches).not_in_data == 0


def test_a_row_of_padding_alone_is_no_document() -> None:
    batch = {name: value.clone() for name, value in BATCHES[0].items()}
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    batch["attention_mask"][1] = 0
    side = read(ROWS, [batch])
    assert side.documents == 3


@pytest.mark.parametrize("batch", [{"inputs_embeds": torch.zeros(1, 2, 3)}, {"input_ids": torch.zeros(4)}])
def test_batches_without_ids_say_what_they_have(batch: dict[str, Any]) -> None:
    with pytest.raises(MissingError, match="input"):
        read(ROWS, [batch])
