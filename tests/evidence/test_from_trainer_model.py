"""Steps on somebody's trainer: what cannot be done is skipped with its reason, and what it takes is said beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.utils.data import IterableDataset
from transformers import Trainer

from sanetune.config.schema import CheckSection
from sanetune.events import Event, Note
from sanetune.evidence.from_trainer_model import require_probeable
from sanetune.evidence.registry import MissingError
from sanetune.evidence.trainer_cost import Cost, ExperimentSteps
from sanetune.evidence.trainer_settings import settings_of
from sanetune.finding import Verdict
from sanetune.workflows.check import check_trainer
from tests.engine.own.strangers import OwnLoss, built, model, rows

STEP = ["model-update-lost", "model-nothing-trainable"]


def probed(trainer: Trainer, select: list[str] | None = None, **keys: Any) -> Any:
    return check_trainer(trainer, level="probe", select=select or STEP, **keys)


def test_a_stream_that_can_be_read_once_is_a_skip_with_its_reason(tmp_path: Path, one_thread: None) -> None:
    class Once(IterableDataset[Any]):
        def __init__(self) -> None:
            self.rows = (row for row in rows())

        def __iter__(self) -> Iterator[Any]:
            return self.rows

    trainer = built(tmp_path, "full")
    trainer.train_dataset = Once()
    found = probed(trainer)["model-update-lost"]
    assert found.verdict is Verdict.SKIP and "cannot be copied" in found.message
    trainer.train()
    assert trainer.state.global_step == 6


def test_an_optimizer_that_cannot_be_copied_is_a_skip_with_its_reason(tmp_path: Path, one_thread: None) -> None:
    class Handle:
        def __deepcopy__(self, memo: object) -> object:
            raise TypeError("cannot copy a handle of a device")

    trainer = built(tmp_path, "own optimizer")
    trainer.optimizer.handle = Handle()
    found = probed(trainer)["model-update-lost"]
    assert found.verdict is Verdict.SKIP and "cannot copy a handle of a device" in found.message


def test_an_optimizer_of_another_model_is_one_finding_and_no_experiment_is_made_with_it(
    tmp_path: Path, one_thread: None
) -> None:
    trainer = built(tmp_path, "own optimizer")
    trainer.optimizer = torch.optim.SGD(model().parameters(), lr=0.05)
    trainer.lr_scheduler = None
    report = check_trainer(trainer, level="trial", select=["model-update-lost", "model-cannot-overfit", "curve-nan"])
    assert report["model-update-lost"].verdict is Verdict.FAIL
    for name in ("model-cannot-overfit", "curve-nan"):
        assert report[name].verdict is Verdict.SKIP
        assert "the optimizer holds none of the trained weights: see model-update-lost" in report[name].message


def test_what_a_loss_of_ones_own_raises_is_named_before_training_does(tmp_path: Path, one_thread: None) -> None:
    class Broken(OwnLoss):
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **keywords: Any) -> Any:
            raise KeyError("weights")

    trainer = built(tmp_path, "own loss")
    trainer.__class__ = Broken
    report = probed(trainer)
    assert report.verdict is Verdict.FAIL
    assert "KeyError: 'weights'" in str(report.unusable)


def test_a_detached_loss_moves_no_weight(tmp_path: Path, one_thread: None) -> None:
    class Detached(Trainer):
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **keywords: Any) -> Any:
            labels = inputs.pop("labels")
            logits = model(**inputs).logits.detach()
            return functional.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:])

    trainer = built(tmp_path, "full")
    trainer.__class__ = Detached
    found = probed(trainer)
    assert found["model-nothing-trainable"].verdict is Verdict.FAIL
    assert found["model-update-lost"].verdict is Verdict.SKIP


def test_an_optimizer_of_another_model_moves_no_weight_of_this_one(tmp_path: Path, one_thread: None) -> None:
    trainer = built(tmp_path, "own optimizer")
    other = torch.nn.Linear(3, 3)
    before = other.weight.detach().clone()
    trainer.optimizer = torch.optim.AdamW(other.parameters(), 1e-3)
    trainer.lr_scheduler = torch.optim.lr_scheduler.ConstantLR(trainer.optimizer)
    found = probed(trainer)["model-update-lost"]
    assert found.verdict is Verdict.FAIL and "the optimizer does not hold" in found.message
    assert torch.equal(other.weight, before)


def test_a_loss_that_is_not_divided_by_its_micro_batches_fails(tmp_path: Path, one_thread: None) -> None:
    trainer = built(tmp_path, "accumulation")
    select = ["model-accumulation-bias"]
    assert probed(trainer, select)["model-accumulation-bias"].verdict is Verdict.PASS
    trainer.__class__ = OwnLoss  # transformers divides by nothing, since a Llama takes num_items_in_batch
    found = probed(trainer, select)["model-accumulation-bias"]
    assert found.verdict is Verdict.FAIL and found.numbers["difference"] == pytest.approx(1.0, abs=0.05)
    trainer.args.gradient_accumulation_steps = 1
    assert "no gradients are accumulated" in probed(trainer, select)["model-accumulation-bias"].message


class Mesh(dict[str, Any]):
    """Processes by what they share."""

    def __init__(self, **sizes: int) -> None:
        super().__init__({name: SimpleNamespace(size=lambda size=size: size) for name, size in sizes.items()})
        self.mesh_dim_names = tuple(sizes)


def test_sharded_weights_and_shared_sequences_are_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = built(tmp_path, "full")
    require_probeable(trainer)
    monkeypatch.setattr(trainer, "is_deepspeed_enabled", True)
    with pytest.raises(MissingError, match="DeepSpeed"):
        require_probeable(trainer)
    monkeypatch.setattr(trainer, "is_deepspeed_enabled", False)
    monkeypatch.setattr(type(trainer.args), "world_size", 2)
    require_probeable(trainer)
    monkeypatch.setattr(type(trainer.accelerator), "torch_device_mesh", Mesh(dp=2, tp=2))
    with pytest.raises(MissingError, match="several processes share each sequence"):
        require_probeable(trainer)


def test_the_cost_is_said_before_the_first_experiment(tmp_path: Path, one_thread: None) -> None:
    seen: list[Event] = []
    probed(built(tmp_path, "full"), publish=seen.append)
    notes = [event.text for event in seen if isinstance(event, Note)]
    assert len(notes) == 1 and notes[0].startswith("level probe takes about ")


def test_experiments_longer_than_the_run_or_the_budget_are_shortened(tmp_path: Path) -> None:
    plan = settings_of(built(tmp_path, "full"), "assistant").steps
    section = CheckSection()
    wanted = ExperimentSteps.of(section, plan, 40)
    assert (wanted.trial, wanted.comparison) == (6, 6)
    long = ExperimentSteps(200, 40, 50)
    cost = Cost.of(long, "trial", plan, 20, 1.0, None)
    assert cost.steps == ExperimentSteps(10, 10, 50)
    assert "shortened to 10 steps of the trial" in cost.message
    passes = long.passes("trial", plan, 20)
    assert Cost.of(long, "trial", plan, 20, 1.0, passes + 1).steps == long
    half = Cost.of(long, "trial", plan, 20, 1.0, passes / 2).steps
    assert (half.trial, half.comparison) == (100, 20)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_loss_with_its_sign_turned_is_one_fault(tmp_path: Path, one_thread: None, sign: int) -> None:
    class Signed(OwnLoss):
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **keywords: Any) -> Any:
            return sign * super().compute_loss(model, inputs)

    trainer = built(tmp_path, "own loss")
    trainer.__class__ = Signed
    report = probed(trainer, ["model"])
    found = report["model-gradients-bad"]
    assert found.numbers["direction"] == pytest.approx(sign, abs=0.2)
    if sign < 0:
        assert [one.check for one in report.of(Verdict.FAIL)] == ["model-gradients-bad"]
        assert "see model-gradients-bad" in report["model-rate-critical"].message
    else:
        assert not report.of(Verdict.FAIL)
