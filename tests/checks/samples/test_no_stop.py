"""Answers that run to the limit are caught where they had room to end; clumsy answers that end are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sanetune.checks.base import Check, NotApplicableError
from sanetune.checks.samples import no_stop
from sanetune.engine.answer import Answer
from sanetune.finding import Judgement, Verdict
from sanetune.probes.results import Samples
from tests.checks.chats import judged
from tests.checks.sampling import BABBLE, STORIES, Words, cut, done, mixed, reference, sampled

GOES_ON = "The most famous lake is this one. And the next question is another one, and so on and on"


def found(samples: Samples) -> tuple[Any, Judgement]:
    return judged(no_stop, samples, Words())


def test_answers_that_all_run_to_the_limit_fail_with_the_numbers() -> None:
    measured, judgement = found(sampled([cut(f"{GOES_ON} {n}") for n in range(20)]))
    assert judgement.verdict is Verdict.FAIL
    assert "20 of 20 answers run to the limit of 120 tokens after 200 steps" in judgement.message
    assert "of the base's 20 do" in judgement.message
    assert len(measured.witnesses) == 5
    first = measured.witnesses[0]
    assert first.text.startswith("asked: Which capital? (0)\ntuned: The most famous lake")
    assert "in the data: The most famous" in first.text
    assert first.beside.startswith("base: The man smiled") and first.note == "120 tokens, truncated"
    assert first.split == "validation" and first.example == 0


def test_answers_that_end_pass_however_clumsy_they_are() -> None:
    _, judgement = found(sampled(map(done, BABBLE)))
    assert judgement.verdict is Verdict.PASS
    assert judgement.message == "All 16 answers end by themselves (of the base's 0 do)."


@pytest.mark.parametrize(
    ("open_ones", "verdict"), [(1, "pass"), (4, "pass"), (5, "warn"), (13, "warn"), (14, "fail"), (20, "fail")]
)
def test_a_few_loops_are_no_fault_most_are(open_ones: int, verdict: str) -> None:
    base = [*[cut(STORIES[0])] * open_ones, *[done("Yes.")] * (20 - open_ones)]
    assert found(sampled(mixed([cut(GOES_ON)] * open_ones, 20), base))[1].verdict == verdict


def test_an_end_that_is_being_in_the_loss_only_warns_and_says_so() -> None:
    _, judgement = found(sampled(mixed([cut(GOES_ON)] * 14, 20)))
    assert judgement.verdict is Verdict.WARN and "so the model is learning to stop" in judgement.message


def test_an_end_that_was_lost_fails_below_half() -> None:
    answers = mixed([cut(GOES_ON)] * 9, 20)
    assert found(sampled(answers, done("A fine answer of the base.")))[1].verdict is Verdict.FAIL
    assert found(sampled(answers, cut(STORIES[0])))[1].verdict is Verdict.WARN


def test_four_of_four_are_enough_and_three_are_too_few() -> None:
    assert found(sampled([cut(GOES_ON)] * 4))[1].verdict is Verdict.FAIL
    with pytest.raises(NotApplicableError, match="3 prompts"):
        found(sampled([cut(GOES_ON)] * 3))


def test_answers_that_are_long_in_the_data_may_run_to_the_limit() -> None:
    long = ["word " * 300] * 20
    with pytest.raises(NotApplicableError, match="below the limit of 120 tokens"):
        found(sampled([cut("word " * 120)] * 20, references=long))
    barely = ["word " * 79] * 20  # 80 tokens with the end; half again as many are the limit
    assert found(sampled([cut(GOES_ON)] * 20, references=barely))[1].verdict is Verdict.FAIL
    with pytest.raises(NotApplicableError):
        found(sampled([cut(GOES_ON)] * 20, references=["word " * 80] * 20))


def test_own_prompts_count_only_where_the_base_shows_that_an_answer_fits() -> None:
    own = [None] * 8
    with pytest.raises(NotApplicableError):
        found(sampled([cut(GOES_ON)] * 8, references=own))
    assert found(sampled([cut(GOES_ON)] * 8, done("Sure."), references=own))[1].verdict is Verdict.FAIL
    assert found(sampled([done("Well.")] * 8, done("Sure."), references=own))[1].verdict is Verdict.PASS


def test_the_mark_behind_which_answers_go_on_is_named() -> None:
    raw = "The lake.<|im_end|>\n<|im_start|>user\nAnd the river?"
    measured, judgement = found(sampled([cut("The lake.\nuser\nAnd the river?", raw)] * 8))
    assert judgement.verdict is Verdict.FAIL
    assert "behind which they go on: <|im_end|> (8 answers)" in judgement.message
    assert measured.witnesses[0].note == "120 tokens; goes on behind <|im_end|>"
    assert "<|im_end|>" in measured.witnesses[0].text


def test_a_generation_without_stop_tokens_is_said() -> None:
    assert "has no stop token" in found(sampled([cut(GOES_ON)] * 8, stop_token_ids=()))[1].message


def test_a_trial_of_a_few_steps_only_warns() -> None:
    assert found(sampled([cut(GOES_ON)] * 20, steps=20))[1].verdict is Verdict.WARN


def test_answers_that_the_context_cuts_short_are_left_out() -> None:
    short = Answer("The most famous", False, 12, raw="The most famous")
    measured, judgement = found(sampled([*[short] * 10, *[done(reference(n)) for n in range(10, 20)]]))
    assert judgement.verdict is Verdict.PASS and measured.numbers["samples"] == 10


def test_prompts_without_room_are_left_out() -> None:
    no_room = Answer("", False, 0, "the prompt has 600 tokens, the model's context 512")
    measured, judgement = found(sampled([*[no_room] * 4, *[done(reference(n)) for n in range(4)]]))
    assert judgement.verdict is Verdict.PASS and measured.numbers["samples"] == 4


def test_the_remedy_names_the_end_token_only_where_answers_go_on_behind_one_or_nothing_stops_them() -> None:
    limits = Check.of(no_stop).defaults
    measured, judgement = found(sampled([cut(f"{GOES_ON} {n}") for n in range(20)]))
    assert judgement.remedy == ""
    for changed in ({"passed_by": {"<|im_end|>": 9}}, {"stops": 0}):
        said = no_stop.judge(replace(measured, numbers={**measured.numbers, **changed}), limits)
        assert "eos_token_id" in said.remedy
