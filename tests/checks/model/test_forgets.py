"""A model that loses what its base could do is warned of; chance, gains and a base that knows nothing are not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.model import forgets
from sanetune.checks.model._general_answers import fault_of
from sanetune.curves.paired import PairedDifference
from sanetune.engine.answer import Answer
from sanetune.finding import Judgement, Verdict
from sanetune.probes.general.material import material_of
from sanetune.probes.replay_trials import ReplayTrial
from sanetune.probes.results import Drift, Forgetting, GeneralAnswer, GeneralLoss
from sanetune.report.terminal import forgetting as gauge
from sanetune.typed_json import from_json, to_json

GOOD, BAD = Answer("It is Paris.", True, 4), Answer("So so so", False, 64)
LIMITS = {name: limit.value for name, limit in forgets.LIMITS.items()}


def answers(pairs: str) -> tuple[GeneralAnswer, ...]:
    """``kk.l`` stands for two prompts that are kept, one that neither answers, and one that is no longer answered."""
    models = {"k": (GOOD, GOOD), "l": (GOOD, BAD), "g": (BAD, GOOD), ".": (BAD, BAD)}
    return tuple(GeneralAnswer("facts", "Where?", "", (), *models[one], Drift(4, 0.4, 2.0, 2.4)) for one in pairs)


def texts(*rises: float) -> tuple[GeneralLoss, ...]:
    return tuple(GeneralLoss("news", "The", Drift(100, 10.0, 300.0, 300.0 + 100 * rise)) for rise in rises)


def judged(found: Forgetting) -> Judgement:
    return forgets.judge(forgets.measure(found, None, LIMITS), LIMITS)


def test_prompts_that_are_no_longer_answered_warn() -> None:
    found = Forgetting(answers("k" * 12 + "l" * 8), texts(*[0.01] * 10), (Drift(10, 5.0, 20.0, 15.0),) * 2, steps=60)
    judgement = judged(found)
    assert judgement.verdict is Verdict.WARN
    assert judgement.message == (
        "After 60 steps 8 of 20 prompts that the base answers well are not; general text costs +0.010 nats per token"
        " (3.00 before); KL from the base 0.10 on its answers, 0.50 on the task."
    )
    assert forgets.compare(found).witnesses[0].note == "the answer does not end"


def test_prompts_and_texts_of_a_file_are_called_the_users_own() -> None:
    found = Forgetting(answers("k" * 12 + "l" * 8), texts(*[0.2] * 6), steps=60, source="keep.jsonl")
    message = judged(found).message
    assert "; your texts cost +0.200 nats per token" in message
    first, second = (line.plain for line in gauge.lines(gauge.numbers_of(found)))
    assert "12 of 20 prompts of yours still answered well" in first and "per token of your texts" in second
    with pytest.raises(NotApplicableError, match="the base answers 3 of 3 prompts of yours"):
        judged(Forgetting(answers("kkk"), source="keep.jsonl"))


@pytest.mark.parametrize("pairs", ["k" * 20, "k" * 17 + "lll", "k" * 12 + "llllllll" + "gggggg", "k" * 30 + "l" * 5])
def test_what_chance_or_a_few_answers_explain_passes(pairs: str) -> None:
    assert judged(Forgetting(answers(pairs), texts(*[0.01] * 10))).verdict is Verdict.PASS


def test_general_text_that_costs_more_warns_if_it_does_so_in_most_texts() -> None:
    assert judged(Forgetting((), texts(*[0.15, 0.2, 0.18, 0.25, 0.16, 0.2]))).verdict is Verdict.WARN
    assert judged(Forgetting((), texts(*[2.0, 0, 0, 0, 0, 0, 0]))).verdict is Verdict.PASS
    assert judged(Forgetting((), texts(*[math.nan] * 8))).verdict is Verdict.WARN


def test_a_base_that_can_do_nothing_forgets_nothing() -> None:
    with pytest.raises(NotApplicableError, match="the base answers 0 of 48"):
        judged(Forgetting(answers("." * 48)))


def test_a_file_of_prompts_alone_is_not_said_to_have_texts_that_the_base_does_not_know() -> None:
    for found, words in (
        (Forgetting(answers("."), source="keep.jsonl"), "^the base answers 0 of 1 prompts of yours in a sensible way:"),
        (Forgetting(answers("."), bits_per_byte=4.0), "in a sensible way and knows 0 of the texts:"),
        (Forgetting((), bits_per_byte=4.0), "^the base knows 0 of the texts:"),
    ):
        with pytest.raises(NotApplicableError, match=words):
            judged(found)


class Replays:
    """Trials with replay rows as a list has them, which counts how many were asked for."""

    def __init__(self, *made: ReplayTrial) -> None:
        self.made, self.asked, self.failed = made, 0, ""

    def ascending(self) -> Iterator[ReplayTrial]:
        for one in self.made:
            self.asked += 1
            yield one


def replay(share: float, missed: int) -> ReplayTrial:
    found = Forgetting(answers("k" * (20 - missed) + "l" * missed), texts(*[0.01] * 10))
    return ReplayTrial("general", share, 60, found, 1.2, PairedDifference(0.02, 0.01, 20))


def test_replay_rows_are_tried_until_a_share_is_enough_which_is_the_fix() -> None:
    trials: Any = Replays(replay(0.1, 8), replay(0.25, 1), replay(0.5, 0))
    measured = forgets.measure(Forgetting(answers("k" * 12 + "l" * 8), texts(*[0.01] * 10)), trials, LIMITS)
    judgement = forgets.judge(measured, LIMITS)
    assert trials.asked == 2 and [one["enough"] for one in measured.numbers["replay"]] == [False, True]
    assert judgement.verdict is Verdict.WARN
    assert judgement.fix == {"data.replay": {"path": "general", "share": 0.25}}
    assert judgement.remedy.startswith(
        "Mix in replay rows: 25 % were enough in a trial of 60 steps,"
        " at +0.020 nats of held-out loss (-0.001 to +0.041)"
    )


def test_where_no_share_is_enough_none_is_proposed_and_without_a_fault_none_is_tried() -> None:
    trials: Any = Replays(replay(0.25, 9), replay(0.5, 9))
    bad, good = Forgetting(answers("k" * 12 + "l" * 8)), Forgetting(answers("k" * 20), texts(*[0.01] * 10))
    judgement = forgets.judge(forgets.measure(bad, trials, LIMITS), LIMITS)
    assert not judgement.fix
    assert "with 25 % and 50 % of replay rows the trial forgot too much as well" in judgement.remedy
    assert forgets.judge(forgets.measure(good, trials, LIMITS), LIMITS).verdict is Verdict.PASS
    assert trials.asked == 2


def test_the_result_goes_to_json_and_back_and_its_gauge_reads_as_the_finding() -> None:
    found = Forgetting(answers("k" * 12 + "l" * 8), texts(*[0.2] * 6), steps=60)
    assert from_json(Forgetting, to_json(found)) == found
    first, second = (line.plain for line in gauge.lines(gauge.numbers_of(found)))
    assert first == "█" * 12 + "░" * 8 + " 12 of 20 general prompts still answered well (warns from 20 % lost)"
    rise = " +0.200 nats per token of general text (full bar: no rise; warns from +0.1)"
    assert second == "█" * 12 + "░" * 8 + rise
    assert "warns from +0.3" in gauge.lines(gauge.numbers_of(found), {"rise": 0.3})[1].plain
    assert gauge.lines(gauge.numbers_of(Forgetting())) == []


@pytest.mark.parametrize(
    ("text", "output_format", "fault"),
    [
        ('```json\n{"a": [1]}\n```', "json", ""),
        ('Here it is: {"a"', "json", "is no JSON"),
        ("1. Spring\n2. Summer", "list", ""),
        ("Spring, summer", "list", "is no list"),
        ("def add(a, b):\n    return a + b", "python", ""),
        ("def add(a, b) return", "python", "is no Python"),
        ("Ich lese gern in der Sonne und trinke Tee.", "language:de", ""),
        ("I like to read in the sun.", "language:de", "is not in the language asked for (de)"),
        ("Les gens aiment la mer parce qu'elle est belle.", "language:fr", ""),
        ("El agua es importante para el cuerpo.", "language:es", ""),
        ("It is green.", "words:3", ""),
        ("The colour of grass is usually green.", "words:3", "has more than 3 words"),
        ("five", "number", "has no number"),
        ("a big dog and a cat " * 8, "", "repeats itself"),
        ("  ", "", "is empty"),
    ],
)
def test_an_answer_is_judged_by_what_was_asked_for(text: str, output_format: str, fault: str) -> None:
    assert fault_of(Answer(text, True, 9), output_format) == fault


def test_no_prompt_of_the_package_asks_for_what_cannot_be_judged() -> None:
    found = material_of("general")
    assert found is not None and len(found.prompts) == 48 and len(found.texts) == 20
    for prompt in found.prompts:
        # A format that is misspelled would let every answer pass.
        assert not prompt.output_format or fault_of(Answer("~ ~ ~ ~ ~ ~ ~", True, 7), prompt.output_format)
