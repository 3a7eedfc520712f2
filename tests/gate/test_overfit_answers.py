"""Each answer to overfitting is a change that the configuration takes, with values of the run at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.overfit_answers import CHECK, answers_of_log, overfit_answers, with_answers
from tests.sizes import sizes

BASE: dict[str, Any] = {"model": {"name": "models/mine"}, "data": {"train": "rows.jsonl"}}


def finding(step: int = 300, per_epoch: float | None = 200.0) -> Finding:
    return Finding(CHECK, Verdict.FAIL, "", numbers={"lowest_step": step, "steps_per_epoch": per_epoch})


def config(**train: Any) -> Config:
    return load(BASE | {"train": {"learning_rate": 2e-5, "num_train_epochs": 5} | train})


def test_a_full_run_gets_every_answer_with_its_values() -> None:
    found = overfit_answers(finding(), config(), sizes(parameters=7_000_000_000, hidden=4096, train_examples=50_000))
    changes = {one.name: dict(one.change) for one in found}
    assert changes == {
        "the checkpoint at the minimum": {"train.load_best_model_at_end": True},
        "fewer epochs": {"train.num_train_epochs": 1.5},
        "a lower learning rate": {"train.learning_rate": 6.7e-6},
        "weight decay": {"train.weight_decay": 0.1},
        "LoRA": {"model.adapter": "lora", "train.learning_rate": 3e-4},
        "more data": {},
    }
    assert "50,000" in next(one.words for one in found if one.name == "more data")


@pytest.mark.parametrize(("steps", "more"), [(-1, {}), (400, {"train.max_steps": -1})])
def test_fewer_epochs_count_where_a_maximum_of_steps_is_set(steps: int, more: dict[str, int]) -> None:
    found = overfit_answers(finding(), config(max_steps=steps), sizes(train_examples=9_000))
    change = {"train.num_train_epochs": 1.5, **more}
    assert dict(next(one.change for one in found if one.name == "fewer epochs")) == change
    proposed = Finding(CHECK, Verdict.FAIL, "", fix={"train.num_train_epochs": 1.5}, numbers=finding().numbers)
    (answered,) = with_answers(Report([proposed]), lambda one: found).findings
    assert answered.fix == change


def test_a_run_that_keeps_its_best_weights_is_not_told_to() -> None:
    first = overfit_answers(finding(), config(load_best_model_at_end=True), sizes(train_examples=9_000))[0]
    assert first.name == "the checkpoint at the minimum" and not first.change
    assert first.words.endswith("train.load_best_model_at_end is true and does that.")


def test_a_run_that_saves_nothing_is_told_to_save() -> None:
    first = overfit_answers(finding(), config(save_strategy="no"), sizes(train_examples=9_000))[0]
    assert first.change == {"train.save_strategy": "steps", "train.load_best_model_at_end": True}
    assert "none was saved at step 300" in first.words


@pytest.mark.parametrize("place", range(6))
def test_each_change_can_be_made(place: int, tmp_path: Path) -> None:
    answer = overfit_answers(finding(), config(), sizes(parameters=7_000_000_000, hidden=4096, train_examples=9))[place]
    values = BASE | {"train": {"learning_rate": 2e-5, "num_train_epochs": 5}}
    changed = load(values, [f"{key}={str(value).lower()}" for key, value in answer.change.items()])
    for key, value in answer.change.items():
        section, name = key.split(".")
        there = getattr(changed, section).get(name)
        assert (there.type if name == "adapter" else there) == value


def test_what_is_there_already_is_not_an_answer() -> None:
    tuned = load(BASE | {"model": {"name": "m", "adapter": "lora"}, "train": {"weight_decay": 0.05}})
    names = [one.name for one in overfit_answers(finding(0, None), tuned, sizes(train_examples=9_000))]
    assert names == ["more data"]


def test_few_rows_and_long_answers_carry_their_caveats() -> None:
    few = overfit_answers(finding(), config(), sizes(train_examples=1_000, loss_tokens=100_000))
    assert [one.words for one in few if one.name == "caveat" and "LIMA" in one.words and "1,000 rows" in one.words]
    long = overfit_answers(finding(), config(), sizes(train_examples=5_000, loss_tokens=20_000_000))
    assert [one.words for one in long if one.name == "caveat" and "2602.11149" in one.words]
    assert not [
        one for one in overfit_answers(finding(), config(), sizes(train_examples=9_000)) if one.name == "caveat"
    ]


def test_somebody_elses_log_gets_every_answer_with_the_values_that_it_shows() -> None:
    numbers = {"lowest_step": 300, "steps_per_epoch": 200.0, "planned_rate": 3e-4}
    found = answers_of_log(Finding(CHECK, Verdict.FAIL, "", numbers=numbers))
    assert {one.name: dict(one.change) for one in found if one.name != "caveat"} == {
        "the checkpoint at the minimum": {"train.load_best_model_at_end": True},
        "fewer epochs": {"train.num_train_epochs": 1.5, "train.max_steps": -1},
        "a lower learning rate": {"train.learning_rate": 1e-4},
        "weight decay": {"train.weight_decay": 0.1},
        "LoRA": {},
        "more data": {},
    }
    assert [word for one in found if one.name == "caveat" for word in ("LIMA", "reason") if word in one.words]


def test_a_log_that_has_its_trainer_s_arguments_gets_no_advice_that_they_follow_already() -> None:
    given = {"load_best_model_at_end": True, "weight_decay": 0.1, "peft_config": {"default": {"r": 8}}}
    numbers = {"lowest_step": 300, "steps_per_epoch": 200.0, "planned_rate": 3e-4}
    found = answers_of_log(Finding(CHECK, Verdict.FAIL, "", numbers=numbers), given)
    named = [one.name for one in found if one.name != "caveat"]
    assert named == ["the checkpoint at the minimum", "fewer epochs", "a lower learning rate", "more data"]
    assert not found[0].change and "load_best_model_at_end is true" in found[0].words


def test_answers_go_to_findings_of_overfitting_that_ask_for_something() -> None:
    numbers = finding().numbers
    some = [
        Finding(CHECK, Verdict.WARN, "", numbers=numbers),
        Finding(CHECK, Verdict.PASS, ""),
        Finding("curve-spike", Verdict.FAIL, ""),
    ]
    bad, good, other = with_answers(Report(some), answers_of_log).findings
    assert next(one["name"] for one in bad.to_json()["answers"]) == "the checkpoint at the minimum"
    assert "answers" not in good.to_json() and "answers" not in other.to_json()
