"""Padding is told from text however a script pads: by mask, by id, in the data set, with the end token."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sanetune.evidence.batch_documents import DocumentSplitter
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.known_examples import KnownExamples, unpadded

END, PAD = 3, 0
TEXTS = st.lists(st.integers(4, 99), min_size=1, max_size=9)


def documents(pad: int, known: dict[int, list[int]] | None = None, **arrays: Any) -> tuple[list[list[int]], SplitStats]:
    stats = SplitStats("train", 0)
    splitter = DocumentSplitter(stats, KnownExamples(0, known or {}), pad, frozenset({END}))
    made = {name: np.array(value) for name, value in arrays.items()}
    return [one.ids_T.tolist() for one in splitter.documents(made)], stats


@given(TEXTS, st.integers(0, 5), st.booleans())
def test_a_row_is_the_same_with_and_without_a_mask(text: list[int], padding: int, left: bool) -> None:
    real = [*text, END]
    ids = [PAD] * padding + real if left else real + [PAD] * padding
    mask = [token != PAD for token in ids]
    labels = [token if keep else -100 for token, keep in zip(ids, mask, strict=True)]
    masked = documents(PAD, input_ids=[ids], labels=[labels], attention_mask=[mask])
    bare = documents(PAD, input_ids=[ids], labels=[labels])
    assert masked[0] == bare[0] == [real]
    assert masked[1].padding == bare[1].padding == padding
    assert masked[1].padding_in_loss == bare[1].padding_in_loss == 0


@given(TEXTS, st.integers(1, 5))
def test_the_end_is_kept_where_a_mask_read_off_the_ids_leaves_it_out(text: list[int], padding: int) -> None:
    """Alpaca's collator: the end token also pads, ``attention_mask = ids.ne(pad)``, and the end has its label."""
    ids = [*text, END] + [END] * padding
    labels = [*text, END] + [-100] * padding
    found, stats = documents(END, input_ids=[ids], labels=[labels], attention_mask=[[token != END for token in ids]])
    assert found == [[*text, END]]
    assert (stats.padding, stats.padding_in_loss) == (padding, 0)


def test_learned_padding_stays_padding() -> None:
    ids = [5, 6, END, END, END]
    stats = documents(END, input_ids=[ids], labels=[ids], attention_mask=[[1, 1, 0, 0, 0]])[1]
    assert stats.padding_in_loss == 3


@given(TEXTS, st.integers(0, 4), st.sampled_from([PAD, END]))
def test_a_padded_row_of_the_data_set_is_the_document_of_the_batch(text: list[int], padding: int, pad: int) -> None:
    ids = np.array([*text, END] + [pad] * padding)
    by_mask = unpadded(ids, np.array([1] * (len(text) + 1) + [0] * padding), pad, frozenset({END}))
    by_id = unpadded(ids, None, pad, frozenset({END}))
    assert by_mask.tolist() == by_id.tolist() == [*text, END]


@given(TEXTS, st.integers(2, 5), st.integers(0, 2), st.booleans())
def test_one_token_of_padding_in_the_loss_behind_the_text_is_counted_apart(
    text: list[int], padding: int, learned: int, masked: bool
) -> None:
    ids = [*text, END] + [PAD] * padding
    labels = [*text, END] + [PAD] * learned + [-100] * (padding - learned)
    mask = {"attention_mask": [[token != PAD for token in ids]]} if masked else {}
    stats = documents(PAD, input_ids=[ids], labels=[labels], **mask)[1]
    assert (stats.padding_in_loss, stats.padding_behind_text) == (learned, int(learned == 1))
