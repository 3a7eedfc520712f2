"""Both models' answers: what a run keeps of them, in this version and in earlier ones."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.atomic import name_non_finite
from sanetune.engine.answer import Answer
from sanetune.probes.prompts import Prompts, max_new_tokens, prompts_for
from sanetune.probes.results import Comparison
from sanetune.probes.samples import ModelAnswers, paired
from sanetune.probes.samples import comparison as compare_answers

BASE = [Answer("… and so on", False, 64), Answer("", False, 0, "the prompt is empty")]
TUNED = [Answer("Dear Ann, it is on its way.", True, 11), Answer("Soon.", True, 3)]
PAIR = {"text": "Dear Ann.", "ended": True, "tokens": 4, "note": ""}


def prompts() -> Prompts:
    asked = Prompts(yours=1)
    asked.add([{"role": "user", "content": "Where is my parcel?"}])
    asked.add([{"role": "user", "content": "And?"}], "Soon.", place=("validation", 3))
    return asked


def comparison() -> Comparison:
    return Comparison(paired(prompts(), BASE, TUNED), "the/base", "runs/x/model", 3.2, 1.1, {"temperature": 0})


def test_a_prompt_of_ones_own_has_neither_a_reference_nor_a_row() -> None:
    own, row = comparison().samples
    assert (own.reference, own.split, own.number) == (None, None, None)
    assert (row.reference, row.split, row.number) == ("Soon.", "validation", 3)


def test_a_comparison_survives_its_file() -> None:
    plain = json.loads(json.dumps(comparison().to_json()))
    assert sorted(plain) == ["base", "decoding", "pairs", "tuned", "validation_loss"]
    assert sorted(plain["pairs"][0]) == ["base", "origin", "prompt", "reference", "tuned"]
    assert [pair["origin"] for pair in plain["pairs"]] == ["yours", "held-out"]
    assert Comparison.from_json(plain).to_json() == comparison().to_json()
    with pytest.raises(KeyError):
        Comparison.from_json({"something": "else"})


def asked_of(answer: dict[str, Any]) -> tuple[Any, Prompts]:
    """Rows whose one answer is ``answer``, of which a token is a sign, and their prompts."""
    messages = [{"role": "user", "content": "Fly"}, {"role": "assistant", **answer}]
    prepared: Any = SimpleNamespace(
        tokenizer=lambda texts: {"input_ids": [list(text) for text in texts]},
        validation=[1],
        origins={"validation": SimpleNamespace(own=1)},
        stop_token_ids=[2],
        conversation=lambda split, number: SimpleNamespace(messages=messages, tools=None),
    )
    return prepared, prompts_for(prepared)


CALLS = [{"type": "function", "function": {"name": "fly", "arguments": {"to": "Oslo" * 100}}}]
CALL = '{"name":"fly","arguments":{"to":"' + "Oslo" * 100 + '"}}'


@pytest.mark.parametrize(
    ("answer", "length"),
    [
        ({"content": "", "tool_calls": CALLS}, len(CALL)),
        ({"content": None, "tool_calls": CALLS * 2}, 2 * len(CALL) + 1),
        ({"content": "Up!", "tool_calls": CALLS}, len(CALL) + 4),
        ({"content": "x" * 300, "reasoning_content": "y" * 200}, 501),
        ({"content": "x" * 300}, 300),
    ],
)
def test_an_answer_may_be_half_again_as_long_as_all_that_the_data_write_there(
    answer: dict[str, Any], length: int
) -> None:
    assert max_new_tokens(*asked_of(answer)) == 16 + length * 3 // 2


def test_a_run_keeps_the_calls_of_an_answer_in_the_data_and_its_checks_get_the_text_alone() -> None:
    for content, shown in (("", CALL), ("Up!", f"Up!\n{CALL}")):
        prepared, asked = asked_of({"content": content, "tool_calls": CALLS})
        said = ModelAnswers([Answer("Up!", True, 1)], None)
        kept = compare_answers(prepared, asked, ("base", "tuned"), said, said)
        assert [pair["reference"] for pair in kept.to_json()["pairs"]] == [shown]
        assert [one.reference for one in paired(asked, said.answers, said.answers)] == [content]
    assert paired(prompts(), BASE, TUNED, calls=True) == paired(prompts(), BASE, TUNED)


@pytest.mark.parametrize(
    "plain",
    [
        {"before": [PAIR], "base_loss": 2.5},
        {"pairs": [{"prompt": [], "base": PAIR, "tuned": PAIR}], "validation_loss": {"base": 2.5, "tuned": 1.0}},
    ],
)
def test_the_base_of_an_earlier_run_is_read_while_it_trains_and_after(plain: dict[str, Any]) -> None:
    found = ModelAnswers.from_json(plain)
    assert found == ModelAnswers([Answer("Dear Ann.", True, 4)], 2.5)


def test_a_loss_that_is_no_number_comes_back_as_such() -> None:
    plain = json.loads(json.dumps(name_non_finite(ModelAnswers(BASE, math.nan).to_json()), allow_nan=False))
    found = ModelAnswers.from_json(plain)
    assert found.validation_loss is not None and math.isnan(found.validation_loss)
    assert found.answers == BASE
