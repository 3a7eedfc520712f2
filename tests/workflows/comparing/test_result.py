"""Verdicts follow from the measures, corrected for their number."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from scipy import stats

from sanetune.engine.answer import Answer
from sanetune.workflows.comparing.result import Compared, Model
from tests.workflows.comparing.made import compared, model

YES, NO = [True] * 8, [False] * 8


def verdict(first: Model, second: Model) -> str:
    return compared(first, second).pairs[0].verdict


def test_more_answers_with_a_good_mark_are_better_and_with_a_fault_worse() -> None:
    assert verdict(model("a", {"ends by itself": NO}), model("b", {"ends by itself": YES})) == "better"
    assert verdict(model("a", {"ends by itself": YES}), model("b", {"ends by itself": NO})) == "worse"
    assert verdict(model("a", {"repeats itself": NO}), model("b", {"repeats itself": YES})) == "worse"
    assert verdict(model("a", {"repeats itself": YES}), model("b", {"repeats itself": NO})) == "better"


def test_a_model_whose_loss_is_no_number_is_worse_whatever_else_it_does() -> None:
    sound, broken = model("a", {}, 1.0), model("b", {}, float("nan"))
    assert verdict(sound, broken) == "worse" and verdict(broken, sound) == "better"
    assert verdict(broken, broken) == "no difference shown"


def test_a_measure_that_one_model_lacks_is_left_out() -> None:
    found = compared(model("a", {"ends by itself": YES}), model("b", {})).pairs[0]
    assert found.changes == [] and found.verdict == "no difference shown"


def test_a_few_answers_that_differ_show_nothing() -> None:
    three = [True] * 3 + [False] * 5
    found = compared(model("a", {"ends by itself": NO}), model("b", {"ends by itself": three})).pairs[0]
    assert found.verdict == "no difference shown"
    assert found.changes[0].p == pytest.approx(stats.binomtest(3, 3).pvalue)


def test_better_in_one_and_worse_in_another_is_said_to_be_mixed() -> None:
    found = compared(model("a", {"ends by itself": YES}, 2.0), model("b", {"ends by itself": NO}, 1.0)).pairs[0]
    assert found.verdict == "mixed"
    assert (found.named(1), found.named(-1)) == (["validation loss"], ["ends by itself"])


def test_six_of_six_are_enough_for_one_measure_and_not_for_two() -> None:
    """Of six changes the exact test has 2 / 2^6 = 0.031, twice that with two measures."""
    six = [True] * 6 + [False] * 2
    assert verdict(model("a", {"ends by itself": NO}), model("b", {"ends by itself": six})) == "better"
    both = {"ends by itself": NO, "keeps the format": NO}
    assert verdict(model("a", both), model("b", both | {"ends by itself": six})) == "no difference shown"


def test_answers_that_a_measure_does_not_apply_to_do_not_count() -> None:
    marks: list[bool | None] = [None, *YES[1:]]
    found = model("b", {"keeps the format": marks})
    assert found.count("keeps the format") == (7, 7)
    assert compared(model("a", {"keeps the format": [False, *[None] * 7]}), found).pairs[0].changes[0].better == 0


def test_prompts_that_could_not_be_asked_have_no_length() -> None:
    noted = Answer("", False, 0, note="the prompt leaves no room")
    found = replace(model("a", {}), answers=[Answer("some words", True, 10), noted])
    assert found.tokens == 10.0
    assert math.isnan(replace(found, answers=[noted]).tokens)


def test_the_same_model_is_never_different_from_itself() -> None:
    one = model("a", {"ends by itself": YES, "repeats itself": NO}, 1.5)
    found = compared(one, one).pairs[0]
    assert found.verdict == "no difference shown"
    assert found.loss is not None and found.loss.mean == 0


def test_it_goes_to_json_and_back() -> None:
    found = compared(model("a", {"ends by itself": YES}, 2.0), model("b", {"ends by itself": [None, *NO[1:]]}, 1.0))
    text = json.dumps(found.to_json(), allow_nan=False)
    assert Compared.from_json(json.loads(text)) == found
    judged = json.loads(text)["judged"][0]
    low, high = judged["loss"]["interval"]
    assert low <= judged["loss"]["mean"] <= high < 0
