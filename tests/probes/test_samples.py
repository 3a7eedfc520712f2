"""Both models' answers: what a run keeps of them, in this version and in earlier ones."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from sanetune.atomic import name_non_finite
from sanetune.engine.answer import Answer
from sanetune.probes.prompts import Prompts
from sanetune.probes.results import Comparison
from sanetune.probes.samples import ModelAnswers, paired

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
