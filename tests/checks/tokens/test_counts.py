"""tokens-cut-reply, tokens-outside-vocabulary, tokens-unknown: counters of the reading, judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.checks.base import NotApplicableError
from sanetune.checks.tokens import cut_reply, outside_vocabulary
from sanetune.checks.tokens import unknown as tokens_unknown
from sanetune.finding import Verdict
from tests.checks.template_material import Words, batch_stats, judged, settings


@pytest.mark.parametrize(("cut", "verdict"), [(0, Verdict.PASS), (1, Verdict.WARN), (2, Verdict.FAIL)])
def test_cut_replies_fail_above_one_in_a_hundred(cut: int, verdict: Verdict) -> None:
    found = cut_reply.measure(batch_stats(truncated=cut), settings(max_length=1024, context=8192))
    judgement = judged(cut_reply, found)
    assert judgement.verdict is verdict
    assert "1,024" in judgement.message
    assert not judgement.fix  # which length would do is not known


def test_a_cut_says_whether_the_model_takes_more() -> None:
    def todo(length: int | None) -> str:
        found = cut_reply.measure(batch_stats(truncated=9), settings(max_length=length, context=8192))
        return judged(cut_reply, found).remedy

    assert "8,192" in todo(1024)
    assert "Raise" not in todo(8192) and "Raise" not in todo(None)


def test_cuts_of_both_splits_are_shown() -> None:
    found = cut_reply.measure(batch_stats(truncated=3, validation={"truncated": 1}), settings(max_length=64))
    assert found.numbers["cut_by_split"] == {"train": 3, "validation": 1}
    assert "4 of 200 documents (2 %)" in judged(cut_reply, found).message


@given(st.integers(0, 10), st.integers(1, 10))
def test_an_id_is_outside_exactly_when_the_embedding_has_no_row_for_it(largest: int, rows: int) -> None:
    found = outside_vocabulary.measure(batch_stats(largest_id=largest), settings(embedding_rows=rows))
    judgement = judged(outside_vocabulary, found)
    assert (judgement.verdict is Verdict.FAIL) == (largest >= rows)
    assert str(largest) in judgement.message and str(rows) in judgement.message


def test_validation_and_negative_ids_are_checked_too() -> None:
    both = batch_stats(largest_id=5, validation={"largest_id": 12})
    assert judged(outside_vocabulary, outside_vocabulary.measure(both, settings(embedding_rows=12))).message == (
        "The data holds token id 12; the model's embedding has 12 rows (0 to 11)."
    )
    below = outside_vocabulary.measure(batch_stats(largest_id=5, smallest_id=-7), settings(embedding_rows=12))
    assert "-7" in judged(outside_vocabulary, below).message


def test_an_unknown_embedding_or_no_token_proves_nothing() -> None:
    with pytest.raises(NotApplicableError):
        outside_vocabulary.measure(batch_stats(largest_id=5), settings())
    with pytest.raises(NotApplicableError):
        outside_vocabulary.measure(batch_stats(tokens=0), settings(embedding_rows=5))


@pytest.mark.parametrize(
    ("unknown", "verdict"),
    [(0, Verdict.PASS), (10, Verdict.PASS), (11, Verdict.WARN), (200, Verdict.WARN), (201, Verdict.FAIL)],
)
def test_unknown_tokens_by_their_share(unknown: int, verdict: Verdict) -> None:
    found = tokens_unknown.measure(batch_stats(unknown_tokens=unknown, tokens=10_000), Words())
    judgement = judged(tokens_unknown, found)
    assert judgement.verdict is verdict
    assert "10,000 tokens" in judgement.message and "<unk>" in judgement.message


def test_other_limits_are_obeyed() -> None:
    found = tokens_unknown.measure(batch_stats(unknown_tokens=5), Words())
    assert judged(tokens_unknown, found, fail_share=0.004).verdict is Verdict.FAIL


@pytest.mark.parametrize("token", [None, 1, 2])
def test_a_tokenizer_without_an_unknown_token_of_its_own_is_not_judged(token: int | None) -> None:
    with pytest.raises(NotApplicableError):
        tokens_unknown.measure(batch_stats(unknown_tokens=500), Words(unk_token_id=token))


def test_an_unknown_token_that_also_pads_is_judged() -> None:
    found = tokens_unknown.measure(batch_stats(unknown_tokens=500), Words(pad_token_id=0))
    assert judged(tokens_unknown, found).verdict is Verdict.FAIL
