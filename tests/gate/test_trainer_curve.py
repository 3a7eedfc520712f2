"""What a trainer says of its curve: whether its losses may be sums over micro-batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import Trainer, TrainerState, TrainingArguments

from sanetune.gate.trainer_curve import facts_of
from tests.checks.curve_material import found, points
from tests.engine.fake import tiny_model


class OwnLoss(Trainer):
    """A trainer whose loss is not divided by the micro-batches, as older scripts have it."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **more: Any) -> Any:
        outputs = model(**inputs)
        return (outputs.loss, outputs) if return_outputs else outputs.loss


def trainer(kind: type[Trainer], folder: Path, micro_batches: int, **more: Any) -> Trainer:
    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=100, gradient_accumulation_steps=micro_batches, use_cpu=True, report_to="none"
    )
    return kind(model=tiny_model(), args=arguments, train_dataset=[{}], **more)


@pytest.mark.parametrize(
    ("kind", "more", "known"),
    [(OwnLoss, {}, 4), (Trainer, {}, None), (Trainer, {"compute_loss_func": lambda *given, **more: 0.0}, 4)],
)
def test_only_a_loss_of_ones_own_may_be_a_sum(
    kind: type[Trainer], more: dict[str, Any], known: int | None, tmp_path: Path
) -> None:
    made = trainer(kind, tmp_path, 4, **more)
    assert facts_of(made, made.args, TrainerState(max_steps=100)).accumulated == known


@pytest.mark.parametrize(("micro_batches", "verdict"), [(4, "warn"), (1, "fail"), (2, "fail")])
def test_a_start_that_a_sum_explains_warns_and_says_so(micro_batches: int, verdict: str, tmp_path: Path) -> None:
    made = trainer(OwnLoss, tmp_path, micro_batches)
    facts = facts_of(made, made.args, TrainerState(max_steps=100))
    curve = replace(facts, points=points([23.4 - 0.4 * i for i in range(14)]), vocab_size=2_000, growing=True)
    finding = found(curve)["start-high"]
    assert finding.verdict.value == verdict
    assert ("5.85 for each of 4 micro-batches" in finding.message) is (micro_batches == 4)
