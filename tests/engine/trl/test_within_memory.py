"""Out of memory: the batch is named; where it may, the run takes the batch in parts and learns the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from trl import SFTTrainer

from sanetune.engine.base import Outcome
from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.engine.trl.trainer import Trainer
from sanetune.engine.trl.within_memory import WithinMemory
from sanetune.errors import RunError
from sanetune.runs import Run
from tests.engine.running import Follower, train

Config = Callable[..., SimpleNamespace]
GIVEN = {"max_steps": 3, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "save_strategy": "no",
         "load_best_model_at_end": False, "eval_steps": 3, "max_grad_norm": 1.0}  # fmt: skip
ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to"),
]


def small_machine(
    monkeypatch: pytest.MonkeyPatch, error: Exception, *, fits: int, after_backward: bool = False
) -> list[int]:
    """Let a training step of more than ``fits`` rows fail with ``error``; returns the rows of those that were made.

    With ``after_backward`` it fails once its gradient was added, as a backward pass does that breaks off late.
    """
    made: list[int] = []
    below: Any = SFTTrainer
    plain = SFTTrainer.training_step

    def step(self: Any, model: Any, inputs: Any, items: Any = None) -> Any:
        rows = inputs["labels"].shape[0]
        if rows > fits and not after_backward:
            raise error
        loss = plain(self, model, inputs, items)
        if rows > fits:
            raise error
        made.append(rows)
        return loss

    monkeypatch.setattr(below, "training_step", step)
    return made


def curve(outcome: Outcome) -> list[tuple[float, float | None]]:
    return [(record.loss, record.grad_norm) for record in outcome.records if record.kind == "train"]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_the_batch_that_did_not_fit_is_named_with_the_values_that_would(
    error: Exception, prepared: Any, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_out_of_memory(error)
    small_machine(monkeypatch, error, fits=3)
    with pytest.raises(RunError, match=r"at step 1, micro-batch 1 of 2: 4 x \d+ tokens; rows \d+, \d+") as caught:
        train(config(**GIVEN), prepared, Run.create(tmp_path / "run"))
    assert caught.value.fix == {"train.per_device_train_batch_size": 2, "train.gradient_accumulation_steps": 4}
    assert "auto_find_batch_size" in caught.value.remedy


@pytest.mark.parametrize(("fits", "late"), [(2, False), (1, True)])
def test_with_auto_the_batch_is_taken_in_parts_and_the_curve_is_the_same(
    fits: int, late: bool, prepared: Any, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(config(**GIVEN), prepared, Run.create(tmp_path / "whole"))
    made = small_machine(monkeypatch, torch.OutOfMemoryError("full"), fits=fits, after_backward=late)
    follower = Follower()
    outcome = train(config(**GIVEN, auto_find_batch_size=True), prepared, Run.create(tmp_path / "run"), follower)
    assert set(made) == {fits}
    for (loss, norm), (same_loss, same_norm) in zip(curve(outcome), curve(whole), strict=True):
        assert loss == pytest.approx(same_loss, abs=1e-5)
        assert norm == pytest.approx(same_norm, rel=1e-4)
    assert outcome.validation_loss == pytest.approx(whole.validation_loss, abs=1e-5)
    notes = [note for note in follower.notes if "did not suffice" in note]
    assert len(notes) == (1 if fits == 2 else 2)
    assert f"from here on {fits} go through the model together" in notes[-1]


def test_a_single_row_that_does_not_fit_ends_the_run(
    prepared: Any, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_machine(monkeypatch, MemoryError(), fits=0)
    with pytest.raises(RunError, match="micro-batch 1 of 2"):
        train(config(**GIVEN, auto_find_batch_size=True), prepared, Run.create(tmp_path / "run"))


def test_an_error_that_is_not_about_memory_is_not_tried_again(
    prepared: Any, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = small_machine(monkeypatch, RuntimeError("shapes do not fit"), fits=0)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        train(config(**GIVEN, auto_find_batch_size=True), prepared, Run.create(tmp_path / "run"))
    assert made == []


def test_an_evaluation_that_does_not_fit_is_made_in_halves(
    prepared: Any, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(**GIVEN | {"max_steps": 1, "eval_steps": 1})
    whole = train(settings, prepared, Run.create(tmp_path / "whole"))
    plain = Trainer.row_losses

    def sums(self: Any, model: Any, inputs: Any) -> Any:
        if inputs["labels"].shape[0] > 2:
            raise torch.OutOfMemoryError("full")
        return plain(self, model, inputs)

    monkeypatch.setattr(Trainer, "row_losses", sums)
    outcome = train(settings, prepared, Run.create(tmp_path / "run"))
    assert outcome.validation_loss == pytest.approx(whole.validation_loss, abs=1e-6)
    assert outcome.base_validation_loss == pytest.approx(whole.base_validation_loss, abs=1e-6)


@pytest.mark.parametrize(
    ("processes", "sharded", "made"), [(2, True, [4]), (2, False, [4, 2, 2]), (1, True, [4, 2, 2])]
)
def test_an_evaluation_is_not_made_in_halves_where_other_processes_wait_in_the_same_forward_pass(
    processes: int, sharded: bool, made: list[int]
) -> None:
    seen: list[int] = []

    class Small(WithinMemory):
        def __init__(self) -> None:
            self.args = SimpleNamespace(world_size=processes)
            self.is_fsdp_enabled, self.is_deepspeed_enabled = sharded, False

        def row_losses(self, model: Any, inputs: Any) -> torch.Tensor:
            seen.append(inputs["labels"].shape[0])
            if seen[-1] > 2:
                raise torch.OutOfMemoryError("full")
            return torch.tensor([[0.5, 0.5, 1.0]] * seen[-1])

    batch = {name: torch.ones(4, 3, dtype=torch.long) for name in ("input_ids", "labels")}
    if len(made) == 1:
        with pytest.raises(torch.OutOfMemoryError):
            Small().rows_within_memory(torch.nn.Identity(), batch)
    else:
        found = Small().rows_within_memory(torch.nn.Identity(), batch)
        assert found.shape == (4, 3) and found.sum(dim=0).tolist() == [2.0, 2.0, 4.0]
    assert seen == made
