"""Advice on a trainer names what its classes take."""

from __future__ import annotations

import pytest

from sanetune.finding import Finding, Verdict
from sanetune.gate.catalogue import chosen
from sanetune.gate.trainer_advice import KEY, TrainerAdvice

TRL = TrainerAdvice("SFTConfig", frozenset({"packing", "max_length", "learning_rate", "fp16"}), is_trl=True)
PLAIN = TrainerAdvice("TrainingArguments", frozenset({"learning_rate", "fp16"}), is_trl=False)


@pytest.mark.parametrize("advice", [TRL, PLAIN], ids=["trl", "transformers"])
def test_no_remedy_names_a_key_that_a_trainer_does_not_have(advice: TrainerAdvice) -> None:
    from sanetune.evidence.from_trainer import TrainerEvidence
    from sanetune.evidence.from_trainer_model import TrainerModelEvidence
    from sanetune.evidence.registry import declarations

    built = {one.name for source in (TrainerEvidence, TrainerModelEvidence) for one in declarations(source)}
    checks = [check for check in chosen([], [], "trial") if set(check.needs) <= built]
    assert len(checks) > 50
    left = {check.name: found for check in checks if (found := KEY.findall(advice.remedy(check.page.remedy)))}
    assert not left


@pytest.mark.parametrize(
    ("text", "of_trl", "of_transformers"),
    [
        ("Set train.fp16: false now.", "Set fp16=False now.", "Set fp16=False now."),
        (
            "Raise train.max_length if you can.",
            "Raise max_length if you can.",
            "Raise the max_length of your tokenization if you can.",
        ),
        (
            "Clip (train.max_grad_norm: 1.0), or so.",
            "Clip (max_grad_norm=1.0), or so.",
            "Clip (max_grad_norm=1.0), or so.",
        ),
        ("Use model.attention: sdpa.", *2 * ("Use attn_implementation='sdpa' in from_pretrained.",)),
        ("Write learning_rate: 7.4e-04 (a law).", *2 * ("Write learning_rate=7.4e-04 (a law).",)),
        ("Nothing to say.", "Nothing to say.", "Nothing to say."),
    ],
)
def test_a_remedy_is_written_in_the_words_of_the_trainer(text: str, of_trl: str, of_transformers: str) -> None:
    assert TRL.remedy(text) == of_trl
    assert PLAIN.remedy(text) == of_transformers


def test_proposed_values_are_those_that_the_arguments_take() -> None:
    fix = {"train.packing": True, "train.learning_rate": 1e-4, "data.loss_on": "assistant"}
    finding = Finding("labels-on-prompt", Verdict.FAIL, "x.", remedy="Set data.loss_on: assistant.", fix=fix)
    assert TRL.rewritten(finding).fix == {"SFTConfig.packing": True, "SFTConfig.learning_rate": 1e-4}
    assert PLAIN.rewritten(finding).fix == {"TrainingArguments.learning_rate": 1e-4}
    assert PLAIN.rewritten(finding).remedy == "Give the tokens of prompts the label -100."
