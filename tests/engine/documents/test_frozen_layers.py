"""What frozen layers make of a document is computed once, and loss and gradients stay those of all layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sanetune.data.collator import Collator
from sanetune.engine.documents import frozen_layers
from sanetune.engine.documents.batch_loss import DocumentLoss
from sanetune.engine.metrics import Record
from sanetune.runs import Run
from tests.engine.documents.test_batch_loss import model_of, one_by_one, rows_of
from tests.engine.documents.test_last_layer import rows_with_answers
from tests.engine.running import same, train, weights


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_layers, "WORTH", float("inf"))


def frozen_below(model: Any, first: int) -> Any:
    """``model`` with its layers from ``first`` on trained, and nothing else."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(any(f"layers.{number}." in name for number in range(first, 9)))
    return model


class Calls:
    """Counts the passes of the lowest layer."""

    def __init__(self, model: Any) -> None:
        self.count = 0
        model.model.layers[0].mlp.register_forward_hook(self._add)

    def _add(self, *_: Any) -> None:
        self.count += 1


def gradients(model: Any, loss: DocumentLoss, rows: list[dict[str, list[int]]]) -> tuple[float, list[torch.Tensor]]:
    model.zero_grad()
    with loss.step():
        total, _ = loss(Collator(0)(rows))
        total.backward()
    return float(total.detach()), [weight.grad.clone() for weight in model.parameters() if weight.requires_grad]


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3_text", "gemma"])
@pytest.mark.parametrize("first", [1, 2])
def test_a_second_epoch_leaves_frozen_layers_out(kind: str, first: int, tmp_path: Path) -> None:
    """Batches of the second epoch have other rows together."""
    model = frozen_below(model_of(kind, num_hidden_layers=3), first)
    rows = rows_of(0) + rows_with_answers(0)
    calls, loss = Calls(model), DocumentLoss(model)
    with loss.keeping_frozen(tmp_path / "states"):
        for some in (rows[:7], rows[7:]):
            gradients(model, loss, some)
        assert (tmp_path / "states").stat().st_size > 1000
        gradients(model, loss, rows[::2])  # compares
        before = calls.count
        found, ours = gradients(model, loss, rows[1::2])
        assert calls.count == before
    assert [note for note in loss.notes if "are kept" in note] and not (tmp_path / "states").exists()
    model.zero_grad()
    expected = sum(one_total(model, row) for row in rows[1::2])
    theirs = [weight.grad for weight in model.parameters() if weight.requires_grad]
    assert found == pytest.approx(expected, rel=1e-5)
    for mine, other in zip(ours, theirs, strict=True):
        assert float((mine - other).norm()) <= 1e-5 * float(other.norm()) + 1e-6


def one_total(model: Any, row: dict[str, list[int]]) -> float:
    from sanetune.engine.loss import summed_loss

    ids, labels = (torch.tensor([row[name]]) for name in ("input_ids", "labels"))
    total, _ = summed_loss(model(input_ids=ids, use_cache=False).logits, labels)
    total.backward()
    return float(total.detach())


def test_a_trained_embedding_or_first_layer_keeps_nothing(tmp_path: Path) -> None:
    model = model_of("llama")
    assert frozen_layers.FrozenLayers.of(model, tmp_path / "states") is None
    assert frozen_layers.FrozenLayers.of(frozen_below(model, 0), tmp_path / "states") is None


def test_what_is_trained_below_by_another_way_is_found_in_the_first_pass(tmp_path: Path) -> None:
    model = frozen_below(model_of("llama"), 1)
    offset = torch.nn.Parameter(torch.zeros(24))
    model.model.embed_tokens.register_forward_hook(lambda _, __, made: made + offset)
    loss = DocumentLoss(model)
    with loss.keeping_frozen(tmp_path / "states"):
        with torch.no_grad(), loss.step():
            loss(Collator(0)(rows_of(0)))
        assert not (tmp_path / "states").exists()
        gradients(model, loss, rows_of(0))
    assert any("something below them is trained" in note for note in loss.notes)


def test_other_states_than_the_layers_make_are_found_when_they_are_first_read(tmp_path: Path) -> None:
    model = frozen_below(model_of("llama"), 1)
    loss, rows = DocumentLoss(model), rows_of(0)
    with loss.keeping_frozen(tmp_path / "states"):
        gradients(model, loss, rows)
        with torch.no_grad():
            model.model.layers[0].mlp.down_proj.weight.mul_(-2)
        found, _ = gradients(model, loss, rows)
    assert any("the loss differs" in note for note in loss.notes)
    assert found == pytest.approx(one_by_one_frozen(model, rows), rel=1e-5)


def one_by_one_frozen(model: Any, rows: list[dict[str, list[int]]]) -> float:
    for weight in model.parameters():
        weight.requires_grad_(True)
    return one_by_one(model, rows)[0]


def test_nothing_is_kept_where_that_takes_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_layers, "WORTH", 0.0)
    model = frozen_below(model_of("llama"), 1)
    loss = DocumentLoss(model)
    with loss.keeping_frozen(tmp_path / "states"):
        gradients(model, loss, rows_of(0))
        assert (tmp_path / "states").stat().st_size < 100
    assert not (tmp_path / "states").exists()
    assert any("are not kept: writing and reading took" in note for note in loss.notes)


def test_a_run_that_is_stopped_and_goes_on_has_the_weights_of_the_whole_one(
    config: Callable[..., SimpleNamespace], prepared: Any, tmp_path: Path
) -> None:
    from tests.engine.running import Follower

    given = {"engine": "accelerate", "model": {"freeze": ["embed_tokens", "layers.[0-2]"]}, "max_steps": 10}
    whole = train(config(**given), prepared, Run.create(tmp_path / "whole"))
    run = Run.create(tmp_path / "stopped")

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config(**given), prepared, run, Follower(7, stop))
    assert (run.path / "frozen-0.states").exists()
    outcome = train(config(**given), prepared, run, resume=True)
    assert same(weights(run), weights(Run(tmp_path / "whole")))
    assert not (run.path / "frozen-0.states").exists()
    for one in (whole, outcome):
        assert [note for note in one.notes if "frozen layers are kept" in note]
    plain = losses(whole.records)
    assert plain == losses(outcome.records)


def losses(records: list[Record]) -> list[float]:
    return [record.loss for record in records]
