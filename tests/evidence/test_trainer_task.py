"""Trainers that do not learn next tokens are left unjudged, and what a sampler keeps is as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForSequenceClassification, Trainer, TrainingArguments
from trl import DPOTrainer

from sanetune.api import check
from sanetune.evidence.registry import MissingError
from sanetune.evidence.trainer_batches import TrainerReader
from sanetune.evidence.trainer_task import require_next_tokens
from sanetune.finding import Verdict
from tests.engine.own.strangers import built, model, rows


def test_a_classifier_is_said_to_be_one_and_nothing_is_judged(tmp_path: Path) -> None:
    config = LlamaConfig(vocab_size=32, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
    trainer = Trainer(
        LlamaForSequenceClassification(config),
        TrainingArguments(str(tmp_path), use_cpu=True, report_to="none"),
        train_dataset=[{"input_ids": [3, 4, 5], "labels": number % 2} for number in range(8)],  # type: ignore[arg-type]
    )
    report = check(trainer, select=["labels", "batches", "rows"])
    assert report.is_unproved and not report.of(Verdict.FAIL)
    assert "LlamaForSequenceClassification has a class for each row" in report["labels-none"].message


def test_a_trainer_of_preferences_is_told_from_one_of_answers(tmp_path: Path) -> None:
    trainer = built(tmp_path, "full")
    require_next_tokens(trainer)
    preferring = DPOTrainer.__new__(DPOTrainer)
    preferring.model = model()
    with pytest.raises(MissingError, match="DPOTrainer of TRL learns from preferences"):
        require_next_tokens(preferring)


class Buckets:
    """Another order in each epoch, which it counts itself; it shuffles in place."""

    def __init__(self) -> None:
        self.epoch, self.order, self.random = 0, list(range(16)), random.Random(3)

    def __len__(self) -> int:
        return 16

    def __iter__(self) -> Iterator[int]:
        self.epoch += 1
        self.random.shuffle(self.order)
        return iter(self.order)


@pytest.mark.parametrize("kept", [False, True])
def test_reading_leaves_a_sampler_where_it_was_also_one_that_the_trainer_makes_when_it_is_asked(
    tmp_path: Path, kept: bool
) -> None:
    class Sampled(Trainer):
        own: Any = None

        def _get_train_sampler(self, *given: Any) -> Any:
            self.own = self.own or Buckets()
            return self.own

    def first_rows(times: int) -> list[Any]:
        args = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none", per_device_train_batch_size=4)
        trainer = Sampled(model(), args, train_dataset=rows(16))  # type: ignore[arg-type]
        trainer.data_collator = lambda some: {"input_ids": torch.tensor([one["input_ids"][:6] for one in some])}
        if kept:
            trainer.own = Buckets()
        for _ in range(times):
            with TrainerReader(trainer).batches("train") as batches:
                assert len(list(batches)) == 4
        return [batch["input_ids"].tolist() for batch in trainer.get_train_dataloader()]

    assert first_rows(0) == first_rows(2)
