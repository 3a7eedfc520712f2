"""The best checkpoint that cannot be selected."""

from __future__ import annotations

from typing import Any

import pytest

from sanetune.finding import Verdict
from tests.checks.run_numbers import find, numbers


def found(**changed: Any) -> Any:
    return find("config-best-unreachable", run_settings=numbers(**changed))


def test_a_checkpoint_at_every_evaluation_passes() -> None:
    finding = found()
    assert finding.verdict is Verdict.PASS and "eval_loss selects the best" in finding.message
    assert found(eval_strategy="epoch", save_strategy="epoch", eval_steps=None, save_steps=None).verdict == "pass"
    assert found(save_strategy="best", save_steps=None).verdict is Verdict.PASS
    assert found(metric="loss").verdict is Verdict.PASS
    assert found(save_total_limit=1).verdict is Verdict.PASS


def test_not_asked_for_is_skipped() -> None:
    assert found(load_best=False).verdict is Verdict.SKIP
    assert found(load_best=False, save_strategy="best").verdict is Verdict.PASS


FAULTS = [
    ({"validation_examples": 0}, "0 validation rows", {"data.holdout": 0.1}),
    ({"eval_strategy": "no"}, "eval_strategy is no", {"train.eval_strategy": "steps", "train.eval_steps": 20}),
    (
        {"save_strategy": "epoch"},
        "save_strategy is epoch, and eval_strategy is steps",
        {"train.save_strategy": "steps", "train.save_steps": 20},
    ),
    (
        {"save_strategy": "no"},
        "save_strategy is no, and eval_strategy is steps",
        {"train.save_strategy": "steps", "train.save_steps": 20},
    ),
    ({"save_steps": 50}, "save_steps, 50, is no multiple of eval_steps, 20", {"train.save_steps": 40}),
    ({"save_steps": 7}, "save_steps, 7, is no multiple", {"train.save_steps": 20}),
    ({"metric": "accuracy"}, "eval_accuracy, and an evaluation gives eval_loss", None),
    ({"given": {"greater_is_better": True}}, "largest loss would be kept", {"train.greater_is_better": False}),
]


@pytest.mark.parametrize(("broken", "words", "fix"), FAULTS)
def test_each_way_to_miss_the_best_fails_with_its_fix(broken: dict[str, Any], words: str, fix: Any) -> None:
    finding = found(**broken)
    assert finding.verdict is Verdict.FAIL and words in finding.message
    assert finding.fix == (fix or {"train.metric_for_best_model": "eval_loss"})


def test_several_faults_are_reported_and_fixed_together() -> None:
    finding = found(metric="accuracy", save_steps=50, given={"greater_is_better": True})
    assert "eval_accuracy" in finding.message and "no multiple" in finding.message
    assert finding.fix == {
        "train.metric_for_best_model": "eval_loss",
        "train.greater_is_better": False,
        "train.save_steps": 40,
    }


def test_evaluations_without_a_checkpoint_are_counted() -> None:
    finding = found(save_steps=60)
    assert finding.verdict is Verdict.WARN
    assert "10 evaluations, one every 20 steps, and a checkpoint at 4 of them" in finding.message
    assert finding.fix == {"train.save_steps": 20}


def test_shares_that_are_rounded_apart_are_fixed_by_numbers() -> None:
    finding = found(total_steps=676, eval_steps=85, save_steps=338, given={"eval_steps": 0.125, "save_steps": 0.5})
    assert finding.verdict is Verdict.FAIL and "save_steps, 338, is no multiple of eval_steps, 85" in finding.message
    assert finding.fix == {"train.save_steps": 340, "train.eval_steps": 85}


def test_the_wrong_direction_of_an_accuracy_fails() -> None:
    names = ("eval_loss", "eval_mean_token_accuracy")
    run = {"metric": "mean_token_accuracy", "metric_names": names}
    assert found(**run).verdict is Verdict.PASS
    finding = found(**run, given={"greater_is_better": False})
    assert finding.verdict is Verdict.FAIL and "lowest accuracy" in finding.message


@pytest.mark.slow  # importing TrainingArguments takes seconds
@pytest.mark.parametrize(("evaluate", "save"), [(20, 20), (20, 40), (20, 50), (30, 20), (7, 21)])
def test_what_transformers_refuses_fails_here(evaluate: int, save: int) -> None:
    from transformers import TrainingArguments

    asked = {"eval_strategy": "steps", "save_strategy": "steps", "load_best_model_at_end": True, "use_cpu": True}
    try:
        TrainingArguments("unused", eval_steps=evaluate, save_steps=save, bf16=False, **asked)
        refused = False
    except ValueError:
        refused = True
    assert (found(eval_steps=evaluate, save_steps=save).verdict is Verdict.FAIL) == refused
