"""An evaluation of the user's own is compared with itself without dropout, and may leave no trace."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer

from sanetune.engine.own.reading_only import RefusedError, reading_only
from sanetune.finding import Finding, Verdict
from sanetune.workflows.check import check_trainer
from tests.engine.own.strangers import built, same, state_of

CHECK = "model-evaluation-dropout"


class InTrainMode(Trainer):
    """Computes the loss in the mode in which training has left the model."""

    def evaluate(self, *args: Any, **keywords: Any) -> dict[str, float]:
        with torch.no_grad():
            batches = self.get_eval_dataloader()
            losses = [self.compute_loss(self.model, self._prepare_inputs(batch)) for batch in batches]
        return {"eval_loss": float(torch.stack(losses).mean())}


class InPredictionStep(Trainer):
    def prediction_step(self, model: Any, inputs: Any, *args: Any, **keywords: Any) -> Any:
        model.train()
        return super().prediction_step(model, inputs, *args, **keywords)


class InEvalMode(InTrainMode):
    def evaluate(self, *args: Any, **keywords: Any) -> dict[str, float]:
        self.model.eval()
        found = super().evaluate(*args, **keywords)
        self.model.train()
        return found


class Noisy(InEvalMode):
    def compute_loss(self, *args: Any, **keywords: Any) -> Any:
        return super().compute_loss(*args, **keywords) * (1 + 0.1 * torch.rand(()))


class Writes(InTrainMode):
    def evaluate(self, *args: Any, **keywords: Any) -> dict[str, float]:
        found = super().evaluate(*args, **keywords)
        Path("/var/tmp/sanetune-evaluation.json").write_text(str(found))
        return found


def finding(folder: Path, kind: type[Trainer], of: str = "full", attention: bool = True) -> Finding:
    trainer = built(folder, of)
    for layer in [] if attention else [one for one in trainer.model.modules() if hasattr(one, "attention_dropout")]:
        layer.attention_dropout = 0.0
    trainer.__class__ = kind
    before = state_of(trainer)
    found = check_trainer(trainer, level="probe", select=[CHECK])[CHECK]
    assert not [name for name, value in state_of(trainer).items() if not same(before[name], value)]
    return found


@pytest.mark.parametrize("kind", [InTrainMode, InPredictionStep])
def test_an_evaluation_with_dropout_on_is_named(tmp_path: Path, one_thread: None, kind: type[Trainer]) -> None:
    found = finding(tmp_path, kind)
    assert found.verdict is Verdict.WARN and "dropout is on while it evaluates" in found.message
    assert found.numbers["rows"] == 8 and found.numbers["difference"] > 1e-5


def test_dropout_of_an_adapter_that_begins_as_zeros_is_seen(tmp_path: Path, one_thread: None) -> None:
    """Of most models it is the only one."""
    for kind, verdict in ((InTrainMode, Verdict.WARN), (Trainer, Verdict.PASS)):
        assert finding(tmp_path, kind, "lora", attention=False).verdict is verdict


def test_one_that_chooses_the_weights_fails(tmp_path: Path, one_thread: None) -> None:
    assert finding(tmp_path, InTrainMode, "best").verdict is Verdict.FAIL


@pytest.mark.parametrize("kind", [Trainer, InEvalMode])
def test_evaluations_without_dropout_pass(tmp_path: Path, one_thread: None, kind: type[Trainer]) -> None:
    assert finding(tmp_path, kind).verdict is Verdict.PASS


def test_a_noise_of_the_loss_is_told_and_its_cause_is_not_guessed(tmp_path: Path, one_thread: None) -> None:
    found = finding(tmp_path, Noisy)
    assert found.verdict is Verdict.SKIP
    assert "two evaluations of the same 8 rows without dropout give" in found.message


def test_an_evaluation_that_writes_is_stopped_before_it_does(tmp_path: Path, one_thread: None) -> None:
    found = finding(tmp_path, Writes)
    assert found.verdict is Verdict.SKIP
    assert "writes /var/tmp/sanetune-evaluation.json, which a check leaves to the run" in found.message
    assert not Path("/var/tmp/sanetune-evaluation.json").exists()


def test_a_model_without_dropout_is_a_skip(tmp_path: Path, one_thread: None) -> None:
    trainer = built(tmp_path, "full")
    trainer.__class__ = InTrainMode
    for layer in trainer.model.model.layers:
        layer.self_attn.attention_dropout = 0.0
    found = check_trainer(trainer, level="probe", select=[CHECK])[CHECK]
    assert found.verdict is Verdict.SKIP and "the model has no dropout" in found.message


def test_what_leaves_a_trace_is_refused_and_noted_and_reading_is_not(tmp_path: Path) -> None:
    outside = Path("/var/tmp/sanetune-reading-only")
    with reading_only(tmp_path) as watched:
        (tmp_path / "inside").write_text("may be")
        Path(__file__).read_text()
        with pytest.raises(RefusedError):
            outside.mkdir()
        with pytest.raises(RefusedError):
            outside.open("a")
    assert watched.refused == [f"makes {outside}", f"writes {outside}"]
    outside.write_text("afterwards")
    outside.unlink()


def test_temporary_folders_come_and_go_and_nothing_is_moved_out_of_them(tmp_path: Path) -> None:
    outside = Path("/var/tmp/sanetune-moved")
    with reading_only(tmp_path) as watched:
        with tempfile.TemporaryDirectory() as folder:  # removed by names that count from an open folder
            (Path(folder) / "below").mkdir()
            (Path(folder) / "below" / "file").write_text("a")
        made = tmp_path / "made"
        made.write_text("a")
        for move in (made.rename, made.replace, lambda to: to.symlink_to(made), lambda to: to.hardlink_to(made)):
            with pytest.raises(RefusedError):
                move(outside)
    assert len(watched.refused) == 4 and not outside.exists()
