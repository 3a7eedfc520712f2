"""Whatever programs call a metric, it is found; what merely looks like one is not."""

from __future__ import annotations

import pytest

from sanetune.curves.logs.entries import Entry
from sanetune.curves.logs.names import renamed, validation_loss_names


def names(*entries: Entry) -> set[str]:
    return {name for entry in renamed(entries) for name in entry}


@pytest.mark.parametrize(
    "loss",
    [
        "loss",
        "train/loss",
        "Loss/train",
        "train_loss",
        "training_loss",
        "train/lm_loss",
        "Train Loss",
        "epoch/train_loss",
        "Train/EpochLoss",
        "metrics/batch_loss",
        "trainLoss",
        "losses/train",
    ],
)
@pytest.mark.parametrize("step", ["step", "global_step", "trainer/global_step", "_step", "iter", "Step"])
def test_training_losses_and_steps(loss: str, step: str) -> None:
    assert names({loss: 2.0, step: 1}, {loss: 1.0, step: 2}) == {"loss", "step"}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("eval/loss", "eval_loss"),
        ("val_loss", "eval_loss"),
        ("valid/loss", "eval_loss"),
        ("validation loss", "eval_loss"),
        ("Loss/val", "eval_loss"),
        ("epoch/val_loss", "eval_loss"),
        ("test/epoch_loss", "eval_loss"),
        ("valLoss", "eval_loss"),
        ("eval/gsm8k_loss", "eval_gsm8k_loss"),
        ("eval_a/b_loss", "eval_a/b_loss"),
    ],
)
def test_validation_losses(name: str, target: str) -> None:
    assert target in names({"step": 1, name: 2.0})


@pytest.mark.parametrize(
    "name",
    [
        "aux_loss",
        "train/aux_loss_coef",
        "loss_scale",
        "eval_runtime",
        "losses",
        "total_flos",
        "policy_loss",
        "train/kl_loss",
    ],
)
def test_other_names_stay(name: str) -> None:
    assert names({"step": 1, "loss": 1.0, name: 2.0}) == {"step", "loss", name}


def test_the_mean_of_a_run_that_its_last_entry_holds_is_no_curve() -> None:
    history: list[Entry] = [{"step": step, "loss": 1.0} for step in range(5)]
    assert renamed([*history, {"step": 5, "train_loss": 1.0, "train_runtime": 9.0}])[-1].keys() == {
        "step",
        "train_loss",
        "train_runtime",
    }
    assert "loss" not in names(
        {"step": 1, "eval_loss": 2.0}, {"step": 2, "eval_loss": 2.0}, {"step": 3, "eval_loss": 2.0, "train_loss": 1.0}
    )


@pytest.mark.parametrize("loss", ["train/loss", "Loss/train", "training_loss", "train/lm_loss", "epoch/train_loss"])
def test_a_step_that_is_the_only_one_with_a_training_loss_is_kept_beside_many_evaluations(loss: str) -> None:
    evaluations: list[Entry] = [{"train/global_step": step, "eval/loss": 2.0} for step in (5, 10, 15, 20)]
    logged = {"train/global_step": 10, loss: 2.0, "train/learning_rate": 1e-5, "train/grad_norm": 1.0}
    assert renamed([*evaluations, logged])[-1] == {"step": 10, "loss": 2.0, "learning_rate": 1e-5, "grad_norm": 1.0}


def test_of_several_validation_sets_the_one_of_transformers_comes_first() -> None:
    entry = {"eval_b_loss": 1.0, "eval_loss": 2.0}
    assert validation_loss_names([entry, {"eval_b_loss": 1.0}]) == ["eval_loss", "eval_b_loss"]


def test_of_several_validation_losses_none_is_written_over_another() -> None:
    entry = {"step": 1, "loss": 2.0, "val/loss": 2.0, "val/ce_loss": 1.5, "val/total_loss": 9.0}
    assert renamed([entry])[0] == {
        "step": 1,
        "loss": 2.0,
        "eval_loss": 2.0,
        "eval_ce_loss": 1.5,
        "eval_total_loss": 9.0,
    }
    assert renamed([{"step": 1, "eval_loss": 2.0, "test_total_loss": 7.0}])[0]["eval_loss"] == 2.0
    assert names({"step": 1, "val_loss_step": 2.0, "val_loss_epoch": 1.0}) == {"step", "val_loss_step", "eval_loss"}


def test_of_two_training_losses_the_order_of_columns_decides_nothing() -> None:
    columns = {"ce_loss": 1.0, "total_loss": 2.0}
    assert renamed([{"step": 1, **columns}])[0]["loss"] == 1.0
    assert renamed([{"step": 1, **dict(reversed(columns.items()))}])[0]["loss"] == 1.0
