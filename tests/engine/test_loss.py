from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sanetune.config.schema import ModelSection
from sanetune.data.collator import Collator
from sanetune.engine.loss import batch_loss, kept_logits, measure, row_losses, summed_loss
from sanetune.engine.models import load_model


def test_the_sum_is_cross_entropy_over_loss_tokens_shifted_by_one() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 5, 7), torch.tensor([[1, -100, 3, 4, -100], [0, 2, -100, -100, 6]])
    by_hand = [
        -logits[b, t - 1].log_softmax(-1)[labels[b, t]] for b in range(2) for t in range(1, 5) if labels[b, t] >= 0
    ]
    total, count = summed_loss(logits, labels)
    assert count == len(by_hand) == 4
    torch.testing.assert_close(total, torch.stack(by_hand).sum())


def test_the_losses_of_rows_are_those_of_each_row_alone() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 5, 7), torch.tensor([[1, -100, 3, 4, -100], [-100] * 5, [0, 2, -100, -100, 6]])
    losses, counts = row_losses(logits, labels)
    alone = [summed_loss(logits[row : row + 1], labels[row : row + 1]) for row in range(3)]
    assert counts.tolist() == [int(count) for _, count in alone] == [2, 0, 2]
    torch.testing.assert_close(losses, torch.stack([loss for loss, _ in alone]).double())


def test_nothing_in_the_loss_is_zero_over_zero_and_differentiable() -> None:
    logits = torch.randn(1, 3, 4, requires_grad=True)
    total, count = summed_loss(logits, torch.full((1, 3), -100))
    assert (total.item(), count.item()) == (0.0, 0)
    total.backward()


@pytest.fixture(scope="module")
def model(base: Path) -> Any:
    return load_model(ModelSection(name=str(base)))


@pytest.mark.parametrize("size", [1, 3])
def test_the_measured_loss_does_not_depend_on_the_batch_size(model: Any, rows: list[dict[str, Any]], size: int) -> None:
    rows = rows[:8]
    whole = measure(model, rows, Collator(0), batch_size=8)
    part = measure(model, rows, Collator(0), batch_size=size)
    assert part.tokens == whole.tokens == sum(label != -100 for row in rows for label in row["labels"][1:])
    assert part.loss == pytest.approx(whole.loss, abs=1e-6)


def test_the_batch_loss_is_the_same_however_it_is_truncated(model: Any, rows: list[dict[str, Any]]) -> None:
    collate = Collator(0)
    whole = batch_loss(model, [collate(rows[:6])])
    cut = batch_loss(model, [collate(rows[:1]), collate(rows[1:4]), collate(rows[4:6])])
    torch.testing.assert_close(whole, cut, atol=1e-6, rtol=0)


def test_packed_rows_have_the_loss_and_gradients_of_padded_rows(model: Any, rows: list[dict[str, Any]]) -> None:
    some = rows[:5]
    pack = {
        "input_ids": [i for row in some for i in row["input_ids"]],
        "labels": [i for row in some for i in row["labels"]],
        "seq_lengths": [len(row["input_ids"]) for row in some],
    }
    gradients = []
    for batch in (Collator(0)(some), Collator(0, packed=True)([pack])):
        model.zero_grad()
        loss = batch_loss(model, [batch])
        loss.backward()
        gradients.append((loss.detach(), [p.grad.clone() for p in model.parameters()]))
    torch.testing.assert_close(gradients[0][0], gradients[1][0], atol=1e-5, rtol=0)
    torch.testing.assert_close(gradients[0][1], gradients[1][1], atol=1e-5, rtol=1e-4)


def test_measuring_leaves_the_mode_of_every_module_alone(model: Any, rows: list[dict[str, Any]]) -> None:
    model.train()
    model.model.layers[0].eval()
    before = [module.training for module in model.modules()]
    measure(model, rows[:2], Collator(0))
    assert [module.training for module in model.modules()] == before
    assert len(set(before)) == 2
    model.eval()


def test_only_the_places_that_are_needed_are_kept_and_the_loss_is_that_of_all(
    model: Any, rows: list[dict[str, Any]]
) -> None:
    """A vocabulary of 100,000 makes logits the largest tensor of a run."""
    batch = Collator(0)(rows)
    logits, labels, places = kept_logits(model, batch)
    assert logits.shape[1] == labels.shape[1] == len(places)
    with torch.no_grad():
        whole = model(**{key: value for key, value in batch.items() if key != "labels"}, use_cache=False).logits
    assert logits.shape[1] < whole.shape[1]
    kept, all_ = summed_loss(logits, labels), summed_loss(whole, batch["labels"])
    assert int(kept[1]) == int(all_[1])
    assert float(kept[0]) == pytest.approx(float(all_[0]), rel=1e-5)


def test_a_measured_loss_is_the_same_in_batches_of_any_size(
    model: Any, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = measure(model, rows, Collator(0)).loss
    for limit in (1, 2_000, 10**9):
        monkeypatch.setattr("sanetune.engine.loss.LOGITS", limit)
        assert measure(model, rows, Collator(0)).loss == pytest.approx(loss, rel=1e-5)
