"""template-double-bos: two beginning tokens."""

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.template import double_bos as check
from sanetune.finding import Verdict
from tests.checks.template_material import Words, batch_stats, judged


@pytest.mark.parametrize(("count", "verdict"), [(0, Verdict.PASS), (1, Verdict.WARN), (2, Verdict.FAIL)])
def test_the_limit_is_one_in_a_hundred(count: int, verdict: Verdict) -> None:
    judgement = judged(check, check.measure(batch_stats(double_bos=count), Words()))
    assert judgement.verdict is verdict
    assert "<s>" in judgement.message


def test_both_splits_count() -> None:
    found = check.measure(batch_stats(double_bos=60, validation={"double_bos": 40}), Words())
    assert "100 of 200 documents (50 %)" in judged(check, found).message


def test_a_tokenizer_without_beginning_token_cannot_double_it() -> None:
    with pytest.raises(NotApplicableError):
        check.measure(batch_stats(), Words(bos_token=None, bos_token_id=None))


@pytest.mark.parametrize(("count", "verdict"), [(0, Verdict.PASS), (1, Verdict.WARN), (2, Verdict.FAIL)])
def test_one_at_the_beginning_of_answers_counts_too(count: int, verdict: Verdict) -> None:
    judgement = judged(check, check.measure(batch_stats(inner_bos=count), Words()))
    assert judgement.verdict is verdict
    assert not count or "behind the prompt" in judgement.message
