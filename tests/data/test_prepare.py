"""Preparation: what is trained is what the rows say, all that is dropped is listed, and no prompt is in both splits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from sanetune.config.schema import Config
from sanetune.data import conversation_table
from sanetune.data.conversation import Conversation
from sanetune.data.conversation_table import chunks, write
from sanetune.data.prepare import Prepared, prepare
from sanetune.errors import DataError, Place, TemplateError

Make = Callable[..., Prepared]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def make(shared: Path, tmp_path: Path) -> Make:
    """Prepares rows (a list, or a file) with the minimind tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(str(shared / "tokenizers" / "minimind"))

    def prepared(
        rows: list[dict[str, Any]] | Path,
        train: dict[str, Any] | None = None,
        context: int = 2048,
        leave_out_bad: bool = False,
        **data: Any,
    ) -> Prepared:
        file = rows
        if isinstance(rows, list):
            file = tmp_path / "rows.jsonl"
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = Config.model_validate(
            {
                "model": {"name": str(shared / "tokenizers" / "minimind")},
                "data": {"train": str(file), **data},
                "train": {"given": train or {}},
            }
        )
        return prepare(config, tokenizer, context=context, leave_out_bad=leave_out_bad)

    return prepared


def pair(number: int, words: int = 3) -> dict[str, str]:
    return {"question": f"Question {number}?", "answer": f"Answer {number} " + "word " * words}


def text_in_loss(prepared: Prepared, row: dict[str, Any]) -> str:
    return str(prepared.tokenizer.decode([token for token in row["labels"] if token != -100]))


def test_labels_hold_the_answers_and_their_end(make: Make) -> None:
    prepared = make([pair(number) for number in range(20)], holdout=0)
    for number, row in enumerate(prepared.train):
        assert text_in_loss(prepared, row) == f"Answer {number} word word word <|im_end|>"
        assert row["row"] == number and row["length"] == len(row["input_ids"]) == len(row["labels"])


def test_rows_that_do_not_fit_are_dropped_counted_and_listed(make: Make) -> None:
    prepared = make([pair(0), pair(1, 500), pair(2)], {"max_length": 64}, holdout=0)
    assert [row["row"] for row in prepared.train] == [0, 2]
    (dropped,) = prepared.dropped
    assert (dropped.row, dropped.line, dropped.reason) == (1, 2, "longer than max_length")
    assert dropped.tokens == dropped.tokens_dropped > 500 and not prepared.truncated
    assert prepared.stats["dropped"] == {"longer than max_length": {"rows": 1, "tokens": dropped.tokens}}


def test_cut_keeps_the_beginning_and_counts_the_rest(make: Make) -> None:
    prepared = make([pair(0), pair(1, 500)], {"max_length": 64}, holdout=0, overlong="cut")
    assert prepared.train[1]["length"] == 64
    assert text_in_loss(prepared, prepared.train[1]).startswith("Answer 1 word")
    (truncated,) = prepared.truncated
    assert truncated.tokens_dropped == truncated.tokens - 64 > 400 and not prepared.dropped
    assert prepared.stats["truncated"] == {"truncated at max_length": {"rows": 1, "tokens": truncated.tokens_dropped}}


def test_a_row_whose_answer_is_behind_the_limit_is_not_trained_on(make: Make) -> None:
    rows = [pair(0), {"question": "word " * 300, "answer": "late"}]
    prepared = make(rows, {"max_length": 64}, holdout=0, overlong="cut")
    assert len(prepared.train) == 1
    assert prepared.dropped[0].reason == "without a token in the loss before max_length"


def test_too_long_error_names_the_first_row(make: Make) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl:2, row 1: 1 rows? (is|are) longer"):
        make([pair(0), pair(1, 500)], {"max_length": 64}, overlong="error")


def test_a_length_below_every_row_says_the_shortest(make: Make) -> None:
    with pytest.raises(DataError, match="the shortest of 3 rows has"):
        make([pair(n, 100) for n in range(3)], {"max_length": 16})


def test_rows_with_no_tokens_in_the_loss_are_left_out_and_listed(make: Make) -> None:
    rows = [
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}]},
        {"messages": [{"role": "user", "content": "only asked"}]},
    ]
    prepared = make(rows, holdout=0)
    assert [row["row"] for row in prepared.train] == [0]
    assert [row.reason for row in prepared.dropped] == ["without a token in the loss"] * 2


def test_max_length_beyond_the_context_is_lowered_and_said(make: Make) -> None:
    prepared = make([pair(0), pair(1)], {"max_length": 4096}, context=128, holdout=0)
    assert prepared.max_length == 128 and "context" in prepared.stats["max_length_reason"]


def test_packs_hold_the_same_rows_as_the_unpacked_data(make: Make) -> None:
    rows = [pair(number, number % 30) for number in range(60)]
    plain = make(rows, {"max_length": 100}, holdout=0)
    packed = make(rows, {"max_length": 100, "packing": True}, holdout=0)
    documents = {}
    for pack in packed.train:
        at = 0
        for row, length in zip(pack["rows"], pack["seq_lengths"], strict=True):
            documents[row] = (pack["input_ids"][at : at + length], pack["labels"][at : at + length])
            at += length
        assert at == len(pack["input_ids"]) <= 100
    assert documents == {row["row"]: (row["input_ids"], row["labels"]) for row in plain.train}
    figures = packed.stats["train"]
    assert figures["fill"] == pytest.approx(figures["tokens"] / (figures["packs"] * 100), abs=1e-4)


def test_a_held_out_share_shares_no_prompt_with_training(make: Make) -> None:
    rows = [{"question": f"Question {number % 40}?", "answer": f"{number}"} for number in range(200)]
    prepared = make(rows, holdout=0.2)
    sides = [{row["row"] % 40 for row in side} for side in (prepared.train, prepared.validation)]
    assert not sides[0] & sides[1] and len(prepared.train) + len(prepared.validation) == 200


def test_a_conversation_can_be_looked_up_by_its_place_in_the_split(make: Make) -> None:
    prepared = make([pair(number) for number in range(50)], holdout=0.3)
    assert prepared.validation is not None
    for index in (0, len(prepared.validation) - 1):
        number = prepared.validation[index]["row"]
        assert prepared.conversation("validation", index).messages[1]["content"].startswith(f"Answer {number} ")


def test_the_stop_token_of_the_template_is_found(make: Make) -> None:
    prepared = make([pair(number) for number in range(10)])
    assert prepared.tokenizer.convert_ids_to_tokens(prepared.stop_token_ids) == ["<|im_end|>"]


def test_equal_content_is_prepared_once_and_other_content_anew(make: Make, tmp_path: Path) -> None:
    first = make([pair(0), pair(1)], holdout=0)
    folder = tmp_path / "cache" / "examples"
    made = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert make([pair(0), pair(1)], holdout=0).fingerprint == first.fingerprint
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == made
    assert make([pair(0), pair(2)], holdout=0).fingerprint != first.fingerprint
    assert make([pair(0), pair(1)], holdout=0, loss_on="all").fingerprint != first.fingerprint


def test_workers_give_what_one_process_gives(make: Make, shared: Path) -> None:
    file = shared / "data" / "gsm8k" / "train.jsonl"
    one = make(file, max_examples=2500, workers=1)
    two = make(file, max_examples=2500, workers=2, seed=0)
    assert one.train[:] == two.train[:]


def test_long_rows_travel_in_smaller_batches() -> None:
    """Their encodings take a hundred times as much memory as their texts."""
    long = [Conversation([{"role": "user", "content": "x" * 900_000}], Place()) for _ in range(7)]
    assert [len(batch) for batch in chunks(iter(long))] == [3, 3, 1]
    short = [Conversation([], Place(), text="x")] * 600
    assert [len(batch) for batch in chunks(iter(short))] == [256, 256, 88]


def test_a_refused_row_among_many_is_named_and_counted(make: Make) -> None:
    """The reply of row 2 holds characters with which masks could be forged."""
    rows = [pair(0), pair(1), {"question": "q", "answer": "\ufdd0"}, {"question": "q", "answer": "\ufdd1 x"}]
    with pytest.raises(TemplateError, match=r"rows\.jsonl:3, row 2: .*2 of 4 rows"):
        make(rows)


def test_validation_data_of_its_own_is_used_whole(make: Make, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(
        "".join(json.dumps(pair(number)) + "\n" for number in range(100, 105)) + json.dumps(pair(1)) + "\n"
    )
    prepared = make([pair(number) for number in range(10)], validation=str(other))
    assert len(prepared.train) == 10 and prepared.validation is not None and len(prepared.validation) == 6
    assert prepared.stats["prompts_in_both_splits"] == 1
    assert prepared.conversation("validation", 0).messages[1]["content"].startswith("Answer 100 ")


@pytest.mark.parametrize(
    ("file", "fields", "rows"),
    [
        ("alpaca/instruction-data.json", {}, 1100),
        ("sharegpt/dummy_conversation.json", {}, 500),
        ("messages/drone_training.jsonl", {}, 103),
        ("airline/gpt-4o-airline.json", {"messages": "traj"}, 200),
        ("messages/toy_chat_fine_tuning.jsonl", {}, 5),
    ],
)
def test_real_files_are_prepared_without_a_silent_loss(
    make: Make, shared: Path, file: str, fields: dict[str, str], rows: int
) -> None:
    prepared = make(shared / "data" / file, {"max_length": 32768}, context=32768, holdout=0.1, fields=fields)
    kept = len(prepared.train) + len(prepared.validation or [])
    assert kept + len(prepared.dropped) == rows == prepared.stats["rows"]
    for row in prepared.train.select(range(min(5, len(prepared.train)))):
        assert text_in_loss(prepared, row).rstrip().endswith("<|im_end|>")


def test_conversations_are_read_once_for_check_and_train(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read with bad rows left out serves those who stop at bad rows, as long as there are none."""
    reads = []
    monkeypatch.setattr(conversation_table, "write", lambda *args: reads.append(1) or write(*args))
    rows = [pair(0), pair(1)]
    assert make(rows, holdout=0, leave_out_bad=True).fingerprint == make(rows, holdout=0).fingerprint
    make(rows, holdout=0, loss_on="last")
    assert len(reads) == 1


def test_rows_that_were_left_out_stop_those_who_train(make: Make) -> None:
    rows = [pair(0), {"question": 7, "answer": "x"}, {"question": "q", "answer": "\ufdd0"}]
    prepared = make(rows, holdout=0, leave_out_bad=True)
    assert len(prepared.train) == 1 and prepared.refused_count == 1
    (source,) = prepared.sources.values()
    assert (source.read, source.bad, source.conversations) == (3, 1, 2)
    assert source.errors[0].place is not None and source.errors[0].place.line == 2
    with pytest.raises(DataError, match="1 of 3 rows cannot be read"):
        make(rows, holdout=0)
    with pytest.raises(TemplateError, match=r"rows\.jsonl:2, row 1"):
        make([rows[0], rows[2]], holdout=0)
    with pytest.raises(TemplateError, match=r"rows\.jsonl:2, row 1"):  # from the cache
        make([rows[0], rows[2]], holdout=0)


def test_a_source_without_a_usable_row_is_read_and_refused(make: Make) -> None:
    with pytest.raises(DataError, match="2 of 2 rows cannot be read"):
        make([{"question": 7, "answer": "x"}, {"question": 8, "answer": "x"}], leave_out_bad=True)
