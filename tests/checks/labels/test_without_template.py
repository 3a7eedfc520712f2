"""Labels of rows that follow no chat template, and differences that other checks name."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.labels import disagree, missing_reply, on_padding, on_prompt, shifted
from sanetune.evidence.batch_stats import BatchStats, SplitStats
from sanetune.evidence.row_format import RowFormat
from sanetune.finding import Judgement, Verdict
from tests.checks.run_numbers import numbers

SOUND = numbers(loss_on="assistant")


def stats(**counters: Any) -> BatchStats:
    split = SplitStats("train", 60, documents=60, batches=15, tokens=6_000, loss_tokens=2_000)
    for name, value in counters.items():
        setattr(split, name, value)
    return BatchStats(split, pad=0)


def judged(check: Any, *evidence: Any) -> Judgement:
    limits = {name: limit.value for name, limit in check.LIMITS.items()}
    found: Judgement = check.judge(check.measure(*evidence), limits)
    return found


def plain(found: RowFormat | None) -> BatchStats:
    return stats(roles_unknown=60, row_format=found)


@pytest.mark.parametrize(("late", "verdict"), [(0, Verdict.PASS), (1, Verdict.FAIL), (60, Verdict.FAIL)])
def test_a_late_border_is_a_masked_answer(late: int, verdict: Verdict) -> None:
    found = RowFormat(60, 60, "### Response:", borders=60, late=late, late_tokens=2 * late)
    judgement = judged(missing_reply, plain(found), SOUND)
    assert judgement.verdict is verdict
    assert "### Response:" in judgement.message
    if late:
        assert f"At {late} of 60 places the first 2 tokens" in judgement.message


def test_one_late_border_in_many_is_a_warning() -> None:
    found = RowFormat(400, 400, "Answer:", borders=400, late=1, late_tokens=1)
    assert judged(missing_reply, plain(found), SOUND).verdict is Verdict.WARN


def test_prompts_in_the_loss_are_a_warning_with_their_share() -> None:
    found = RowFormat(60, 0, "### Answer:", whole=60, whole_tokens=1_000, prompt_tokens=400)
    judgement = judged(on_prompt, plain(found), SOUND)
    assert judgement.verdict is Verdict.WARN
    assert "40 %" in judgement.message and "loss_on='all'" in judgement.remedy
    with pytest.raises(NotApplicableError):
        on_prompt.measure(plain(found), numbers(loss_on="all"))


def test_a_border_inside_the_header_is_a_warning() -> None:
    found = RowFormat(60, 60, "### Response", borders=60, early=60)
    assert judged(on_prompt, plain(found), SOUND).verdict is Verdict.WARN


@pytest.mark.parametrize("found", [None, RowFormat(60, 60)])
def test_rows_without_a_header_prove_nothing(found: RowFormat | None) -> None:
    for check in (on_prompt, missing_reply, disagree):
        with pytest.raises(NotApplicableError):
            check.measure(plain(found), SOUND)


def test_differences_that_another_check_names_are_named_once() -> None:
    prompts = Counter({"user": 50})
    with pytest.raises(NotApplicableError, match="labels-on-prompt"):
        disagree.measure(stats(disagree=70, disagree_explained=70, loss_tokens_by=prompts, compared=900), SOUND)
    with pytest.raises(NotApplicableError, match="labels-missing-reply"):
        disagree.measure(stats(disagree=7, disagree_explained=7, missing_reply=7), SOUND)
    rest = judged(disagree, stats(disagree=72, disagree_explained=70, loss_tokens_by=prompts), SOUND)
    assert rest.verdict is Verdict.FAIL and rest.message.startswith("2 of")


def test_masks_that_are_wrong_both_ways_are_a_fault_of_the_masks() -> None:
    both = stats(disagree=70, disagree_explained=70, missing_reply=20, loss_tokens_by=Counter({"user": 50}))
    assert judged(disagree, both, SOUND).verdict is Verdict.FAIL


def test_marks_between_turns_are_a_warning() -> None:
    header = judged(disagree, stats(disagree=60, headers_in_loss=60, disagree_documents=20), SOUND)
    assert (
        header.verdict is Verdict.FAIL and "60 tokens of the headers before answers are in the loss" in header.message
    )
    more = judged(disagree, stats(disagree=61, headers_in_loss=60, disagree_documents=20), SOUND)
    assert "headers" not in more.message
    marks = judged(disagree, stats(disagree=60, marks_in_loss=60, disagree_documents=60), SOUND)
    assert marks.verdict is Verdict.WARN and "60 marks" in marks.message


def test_an_end_that_is_masked_as_padding_is_said_to_teach_no_stop() -> None:
    masked = judged(on_padding, stats(turns=60, turns_end_masked=60, padding=100), frozenset({0}))
    assert masked.verdict is Verdict.FAIL and "nothing teaches the model to stop" in masked.message
    some = judged(on_padding, stats(turns=60, turns_end_masked=6, padding=100), frozenset({0}))
    assert some.verdict is Verdict.FAIL and "nothing teaches" not in some.message
    assert judged(on_padding, stats(turns=60), frozenset({0})).verdict is Verdict.PASS


def test_a_loss_that_begins_anywhere_inside_prompts_is_a_fault_and_told_once() -> None:
    found = plain(RowFormat(60, 50, "Answer:", borders=60, inside=40, inside_tokens=900))
    judgement = judged(on_prompt, found, SOUND)
    assert judgement.verdict is Verdict.FAIL and "40 of 60 rows" in judgement.message and "left" in judgement.remedy
    with pytest.raises(NotApplicableError, match="labels-on-prompt"):
        missing_reply.measure(found, SOUND)


def test_a_token_of_padding_behind_each_text_and_ends_in_labels_alone_are_warnings() -> None:
    behind = stats(padding=400, padding_in_loss=50, padding_behind_text=50)
    assert judged(on_padding, behind, frozenset({7})).verdict is Verdict.WARN
    more = stats(padding=400, padding_in_loss=52, padding_behind_text=50)
    assert judged(on_padding, more, frozenset({7})).verdict is Verdict.FAIL
    ends = judged(shifted, stats(changed=120, changed_to_end=120))
    assert ends.verdict is Verdict.WARN and "each is an end token" in ends.message
    assert judged(shifted, stats(changed=121, changed_to_end=120)).verdict is Verdict.FAIL
