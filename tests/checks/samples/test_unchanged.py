"""Answers that stay as they were are caught, unless the base knew the task already."""

from __future__ import annotations

from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.samples import unchanged
from sanetune.curves.series import Curve, Evaluation
from sanetune.finding import Judgement, Verdict
from sanetune.probes.results import Samples, Timing, Trial
from tests.checks.chats import judged
from tests.checks.sampling import BABBLE, STORIES, cut, done, reference, sampled

STORIES_20 = [cut(f"Number {n}: {STORIES[n % 4]} {n}") for n in range(20)]
LABELS = ["positive", "negative"] * 10


def found(samples: Samples, before: float = 3.0, after: float = 2.0) -> tuple[Any, Judgement]:
    curve = Curve(validation=[Evaluation(0, before), Evaluation(50, 2.5), Evaluation(200, after)])
    return judged(unchanged, samples, Trial(curve, Timing(), 200, 200))


def test_the_same_answers_fail_with_what_the_loss_did() -> None:
    measured, judgement = found(sampled(STORIES_20, STORIES_20))
    assert judgement.verdict is Verdict.FAIL
    assert "20 of 20 answers are the base's after 200 steps, 20 of them word for word" in judgement.message
    assert "the held-out loss went from 3.000 to 2.000" in judgement.message
    assert measured.witnesses[0].note == "100% alike" and len(measured.witnesses) == 5


def test_nearly_the_same_answers_fail() -> None:
    near = [cut(one.text.replace("The", "A", 1)) for one in STORIES_20]
    _, judgement = found(sampled(near, STORIES_20), 3.0, 2.99)
    assert judgement.verdict is Verdict.FAIL and "to 2.990" in judgement.message


def test_new_answers_pass_however_weak() -> None:
    assert found(sampled(map(done, BABBLE)))[1].verdict is Verdict.PASS


@pytest.mark.parametrize(("same", "verdict"), [(0, "pass"), (8, "pass"), (9, "warn"), (13, "warn"), (14, "fail")])
def test_a_few_that_stay_are_no_fault(same: int, verdict: str) -> None:
    tuned = [*STORIES_20[:same], *(done(reference(n)) for n in range(same, 20))]
    assert found(sampled(tuned, STORIES_20))[1].verdict == verdict


def test_a_base_that_answers_as_the_data_do_need_not_change() -> None:
    right = [done(reference(n)) for n in range(20)]
    _, judgement = found(sampled(right, right), 0.1, 0.1)
    assert judgement.verdict is Verdict.PASS
    assert judgement.message == "The base answers 20 of 20 prompts as the data do already."


def test_a_base_that_knows_the_task_need_not_change() -> None:
    close = [done(f"Of course. {reference(n)} That is all there is to say.") for n in range(20)]
    _, judgement = found(sampled(close, close), 0.3, 0.3)
    assert judgement.verdict is Verdict.PASS and "The base knows this task already" in judgement.message


def test_labels_that_are_right_more_often_than_by_chance_may_stay() -> None:
    good = [done(label if n % 4 else "neutral") for n, label in enumerate(LABELS)]
    assert found(sampled(good, good, references=LABELS))[1].verdict is Verdict.PASS


def test_one_label_for_everything_is_no_knowledge() -> None:
    constant = [done("positive")] * 20
    _, judgement = found(sampled(constant, constant, references=LABELS))
    assert judgement.verdict is Verdict.FAIL and "10 of 10 answers (10 more the base answers as the data do)" in (
        judgement.message
    )


def test_letters_of_one_form_are_the_same_only_where_they_are_equal() -> None:
    def letter(number: int) -> str:
        return f"Dear customer, we thank you for your message and send you order {number} on Monday. Your shop team"

    base = [done(letter(n)) for n in range(20)]
    references = [f"Hello {n}, goodbye." for n in range(20)]
    assert found(sampled([done(letter(n + 100)) for n in range(20)], base, references))[1].verdict is Verdict.PASS
    assert found(sampled(base, base, references))[1].verdict is Verdict.FAIL


def test_own_prompts_count() -> None:
    assert found(sampled(STORIES_20, STORIES_20, [None] * 20))[1].verdict is Verdict.FAIL


def test_a_loss_that_was_not_measured_is_not_spoken_of() -> None:
    _, judgement = judged(unchanged, sampled(STORIES_20, STORIES_20), Trial(Curve(), Timing(), 200, 200))
    assert judgement.verdict is Verdict.FAIL and "loss" not in judgement.message


def test_a_short_trial_only_warns_and_few_samples_are_skipped() -> None:
    assert found(sampled(STORIES_20, STORIES_20, steps=20))[1].verdict is Verdict.WARN
    with pytest.raises(NotApplicableError):
        found(sampled(STORIES_20[:3], STORIES_20[:3]))
