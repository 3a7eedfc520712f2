"""The rows of a step of somebody's own trainer: measured where that is possible, and said why where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer, TrainingArguments

import sanetune
from sanetune.evidence.step_rows import step_rows
from tests.test_callback_watch import Rows, trainer


class Without(torch.utils.data.Dataset[Any]):
    """Rows whose batches have no labels, because the loss makes its own."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        return {"input_ids": torch.arange(3, 9)}


def broken_collator(rows: Any) -> Any:
    raise KeyError("no such column")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda made: setattr(made.args, "world_size_", 2), "the run has 2 processes"),
        (lambda made: setattr(made, "is_fsdp_enabled", True), "the model is sharded over processes"),
        (lambda made: setattr(made, "train_dataset", Without()), "its batches have no labels"),
        (lambda made: setattr(made, "data_collator", broken_collator), "KeyError: 'no such column'"),
        (lambda made: made.model.requires_grad_(False), "no weight is trained"),
        (lambda made: made.model.lm_head.weight.data.fill_(torch.nan), "the weights are no numbers any more"),
    ],
)
def test_rows_that_cannot_be_measured_say_why(
    change: Any, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer(tmp_path, Rows(8), sanetune.Watch("warn"))
    monkeypatch.setattr(
        TrainingArguments, "world_size", property(lambda self: getattr(self, "world_size_", 1)), raising=True
    )
    change(made)
    loader = torch.utils.data.DataLoader(made.train_dataset, batch_size=2, collate_fn=made.data_collator)
    found = step_rows(made, loader, [2, 5])
    assert found.reason.startswith(reason) and not found.measured_with
    assert [(row.number, row.loss) for row in found.rows] == [(2, None), (5, None)]


def test_the_tokenizer_of_the_trainer_decodes_them_and_an_own_loss_is_said(tmp_path: Path) -> None:
    class Own(Trainer):
        def compute_loss(self, *args: Any, **more: Any) -> Any:
            raise AssertionError("nobody asked for it")

    class Letters:
        def decode(self, ids: list[int]) -> str:
            return "".join(chr(ord("a") + one % 26) for one in ids)

    made = trainer(tmp_path, Rows(8), sanetune.Watch("warn"))
    made.__class__ = Own
    made.processing_class = Letters()
    loader = torch.utils.data.DataLoader(made.train_dataset, batch_size=2, collate_fn=made.data_collator)
    found = step_rows(made, loader, [1])
    assert found.measured_with == "the weights after step 0, by the loss per token instead of the trainer's own"
    assert found.rows[0].text == Letters().decode(made.train_dataset.rows[1]["input_ids"].tolist())
