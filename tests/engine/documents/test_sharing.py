"""Beginnings are shared where a forward pass was measured to be faster so, and a resumed run does as before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.data.collator import Collator
from sanetune.engine.documents import batch_loss, sharing
from sanetune.engine.documents.batch_loss import DocumentLoss
from sanetune.engine.documents.forward import Document
from sanetune.engine.documents.sample import in_proportion
from sanetune.engine.documents.sharing import Gain, measured_gain
from sanetune.engine.documents.tree import prefix_tree
from tests.engine.documents.test_attention import DOCUMENTS
from tests.engine.documents.test_batch_loss import assert_equal, by_documents, model_of, one_by_one, rows_of


def measuring(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> list[int]:
    """Let each pass take the next of ``seconds``; the calls are counted."""
    calls, times, clock = [0], iter(seconds), [0.0]

    def user_seconds() -> float:
        calls[0] += 1
        if calls[0] % 2 == 0:
            clock[0] += next(times)
        return clock[0]

    monkeypatch.setattr(sharing, "_user_seconds", user_seconds)
    return calls


@pytest.mark.parametrize("shared", [0.5, 2.0])
def test_beginnings_are_shared_where_that_is_faster(monkeypatch: pytest.MonkeyPatch, shared: float) -> None:
    calls = measuring(monkeypatch, *[1.0, shared] * 3)
    model, rows = model_of("llama"), rows_of(0)
    loss = DocumentLoss(model)
    for _ in range(2):
        assert_equal(by_documents(loss, Collator(0)(rows)), one_by_one(model, rows))
    assert calls == [4 if shared < 1 else 12]
    assert (loss.computed < loss.tokens) == (shared < 1)
    assert any(f"{1 / shared:.2f} times as fast" in note for note in loss.report())
    assert (loss.group([{}, {}], 0) == [{}, {}]) or shared < 1  # type: ignore[list-item]
    again = DocumentLoss(model)
    again.choose(loss.choices())
    assert_equal(by_documents(again, Collator(0)(rows)), one_by_one(model, rows))
    assert calls == [4 if shared < 1 else 12]
    assert (again.computed, again.tokens) == (loss.computed // 2, loss.tokens // 2)


def test_short_passes_are_shared_unmeasured_and_it_says_so() -> None:
    loss = DocumentLoss(model_of("llama"))
    by_documents(loss, Collator(0)(rows_of(0)))
    assert "is too short to measure" in loss.report()[-1]


def test_passes_are_timed_whatever_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "LEAST", 0.0)
    documents = [Document(row["input_ids"], row["labels"]) for row in rows_of(0)]
    gain = measured_gain(model_of("llama"), documents, 16, None)
    assert isinstance(gain, Gain)
    assert gain.computed < gain.tokens
    assert 0 <= gain.apart < 10


def test_long_documents_are_compared_and_measured_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,200 tokens and more, as many as make the sample."""
    seen: list[int] = []
    compare = batch_loss.disagreement

    def disagreement(model: Any, some: list[Document], *others: Any) -> str:
        seen.append(sum(len(one.ids) for one in some))
        return compare(model, some, *others)

    monkeypatch.setattr(batch_loss, "disagreement", disagreement)
    policy = [3 + number % 60 for number in range(300)]
    rows = [{"input_ids": policy + [7 + end] * 100, "labels": [-100] * 395 + ([7 + end] * 5)} for end in range(4)]
    model = model_of("llama", max_position_embeddings=512)
    loss = DocumentLoss(model)
    assert_equal(by_documents(loss, Collator(0)(rows)), one_by_one(model, rows))
    assert seen
    assert all(some <= batch_loss.COMPARED + 16 for some in seen)
    assert loss.computed == 300 + 4 * 99


@settings(max_examples=60)
@given(DOCUMENTS, st.floats(0.05, 1.0))
def test_a_sample_has_the_tree_of_the_whole(documents: list[list[int]], share: float) -> None:
    whole = [Document(ids, list(ids)) for ids in documents]
    most = share * sum(len(one.ids) for one in whole)
    some = in_proportion(whole, 1, int(most))
    before, after = (prefix_tree([one.ids for one in each], 1) for each in (whole, some))
    assert len(after.nodes) == len(before.nodes)
    assert after.is_shared == before.is_shared
    assert all(list(one.labels) == list(one.ids) for one in some)
    nodes_of = [sum(node.start in places for node in before.nodes) for places in before.places]
    assert sum(len(one.ids) for one in some) <= most + 2 * sum(nodes_of)
