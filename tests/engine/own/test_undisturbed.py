"""After a check at level ``trial`` a trainer trains as if there had been none, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sanetune.callback import guard
from sanetune.engine.own.kept import NotRestoredError, kept, kept_modules
from sanetune.finding import Report, Verdict
from sanetune.workflows.check import check_trainer
from tests.engine.own.strangers import built, packed, run_of, same, state_of

QUICK = {"overfit_steps": 10, "overfit_examples": 6, "trial_steps": 10, "samples": 2}
KINDS = (
    "full", "lora", "own loss", "own optimizer", "accumulation", "checkpointing", "best", "stream", "arrow",
)  # fmt: skip


def checked(trainer: Any) -> Report:
    return check_trainer(trainer, level="trial", select=["model", "curve", "samples", "packs"], options=QUICK)


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_changes_nothing_that_training_starts_from(tmp_path: Path, one_thread: None, kind: str) -> None:
    trainer = built(tmp_path / "a", kind)
    before = state_of(trainer)
    report = checked(trainer)
    assert not report.of(Verdict.CRASH), [one.traceback for one in report.of(Verdict.CRASH)]
    assert report.experiments["trial"]["steps"] == 6
    assert not [name for name, value in state_of(trainer).items() if not same(before[name], value)]
    assert same(run_of(trainer), run_of(built(tmp_path / "b", kind))), "a run after a check is another one"


@pytest.mark.parametrize("kind", ["4bit", "8bit"])
def test_a_quantised_model_is_checked_and_put_back(tmp_path: Path, one_thread: None, kind: str) -> None:
    pytest.importorskip("bitsandbytes")
    trainer = built(tmp_path / "a", kind)
    before, stored = state_of(trainer), dict(trainer.model.state_dict())
    stored = {name: value.clone() for name, value in stored.items() if isinstance(value, torch.Tensor)}
    assert any(value.dtype in (torch.uint8, torch.int8) for value in stored.values())
    report = checked(trainer)
    assert not report.of(Verdict.CRASH), [one.traceback for one in report.of(Verdict.CRASH)]
    assert report.experiments["trial"]["steps"] == 6
    assert not [name for name, value in state_of(trainer).items() if not same(before[name], value)]
    after = trainer.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in stored.items()), "what quantisation keeps has changed"
    assert same(run_of(trainer), run_of(built(tmp_path / "b", kind)))


class Packing(torch.nn.Module):
    """As a 4-bit layer of bitsandbytes is on a processor with bfloat16: its first evaluation rewrites the weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(8, dtype=torch.uint8), requires_grad=False)
        self.support_avx512bf16_for_cpu = True

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if self.support_avx512bf16_for_cpu and not self.training:
            self.weight.data = self.weight.data.flip(0)
        return batch


def test_weights_that_an_evaluation_would_pack_are_left_as_they_are(tmp_path: Path) -> None:
    trainer = built(tmp_path, "full")
    layer = trainer.model.model.layers[0].mlp.act_fn = Packing()
    before = layer.weight.clone()
    with kept(trainer):
        trainer.model.eval()
        trainer.model(input_ids=torch.tensor([[3, 4, 5]]))
        assert torch.equal(layer.weight, before)
    assert layer.support_avx512bf16_for_cpu


def test_a_run_that_goes_on_from_a_checkpoint_is_the_same(tmp_path: Path, one_thread: None) -> None:
    first = built(tmp_path / "first", "best")
    first.train()
    checkpoint = str(tmp_path / "first" / "checkpoint-2")
    trainer = built(tmp_path / "a", "best")
    checked(trainer)
    assert same(
        run_of(trainer, resume_from_checkpoint=checkpoint),
        run_of(built(tmp_path / "b", "best"), resume_from_checkpoint=checkpoint),
    )


def test_a_trainer_that_has_trained_already_trains_on_as_before(tmp_path: Path, one_thread: None) -> None:
    trainer = built(tmp_path / "a", "full")
    trainer.train()
    before = state_of(trainer)
    checked(trainer)
    assert not [name for name, value in state_of(trainer).items() if not same(before[name], value)]
    again = run_of(trainer)
    other = built(tmp_path / "b", "full")
    other.train()
    assert same(again, run_of(other))


@pytest.mark.parametrize("kind", ["full", "own optimizer"])
def test_a_gate_inside_of_training_leaves_the_run_alone(tmp_path: Path, one_thread: None, kind: str) -> None:
    trainer = built(tmp_path / "a", kind)
    gate = guard(trainer, level="trial", select=["curve", "model-start-loss"])
    with_gate = run_of(trainer)
    assert gate.report is not None
    assert gate.report.level == "trial" and gate.report.experiments["trial"]["steps"] == 6
    assert same(with_gate, run_of(built(tmp_path / "b", kind)))


def test_packed_rows_of_trl_are_trained_as_before(tmp_path: Path, one_thread: None) -> None:
    trainer = packed(tmp_path / "a")
    before = state_of(trainer)
    report = checked(trainer)
    assert not report.of(Verdict.CRASH), [one.traceback for one in report.of(Verdict.CRASH)]
    assert report["packs-leak"].verdict is Verdict.PASS
    assert not [name for name, value in state_of(trainer).items() if not same(before[name], value)]
    assert same(run_of(trainer), run_of(packed(tmp_path / "b")))


def test_the_trial_makes_the_very_steps_of_the_run(tmp_path: Path, one_thread: None) -> None:
    trainer = built(tmp_path, "own optimizer")
    points = checked(trainer).experiments["trial"]["curve"]["points"]
    trainer.train()
    logged = [record for record in trainer.state.log_history if "loss" in record]
    assert [point["loss"] for point in points] == pytest.approx([record["loss"] for record in logged], abs=1e-9)
    assert [point["lr"] for point in points] == pytest.approx([record["learning_rate"] for record in logged])


def test_a_buffer_that_a_library_replaces_is_the_old_one_again() -> None:
    layer = torch.nn.Module()
    layer.register_buffer("places", torch.arange(3))
    before = layer.places
    with kept_modules(layer):
        layer.places = torch.arange(3)  # as a move to cpu:0 does with a tensor on the processor
    assert layer.places is before


def test_a_weight_that_could_not_be_put_back_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sanetune.engine.own.kept._may_move", lambda tensor: False)
    monkeypatch.setattr("sanetune.probes.weight_backup.WeightBackup.put_back", lambda backup, weights: None)
    with pytest.raises(NotRestoredError, match="could not put 21 tensors"):
        check_trainer(built(tmp_path, "full"), level="probe", select=["model-update-lost"])
