"""A whole run on sanetune's own loop: what it leaves, how it stops, resumes and ends early."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sanetune.data.collator import Collator
from sanetune.engine import checkpoints, step_log
from sanetune.engine.loss import measure
from sanetune.engine.metrics import curve_of, read
from sanetune.engine.signals import TerminatedError
from sanetune.errors import ConfigError, RunError
from sanetune.runs import Run
from tests.engine.running import Follower, same, train, weights

Config = Callable[..., SimpleNamespace]

SIX: dict[str, Any] = {
    "engine": "accelerate", "max_steps": 6, "neftune_noise_alpha": 5, "train_sampling_strategy": "group_by_length",
    "logging_steps": 3, "eval_steps": 3, "save_steps": 3, "gradient_accumulation_steps": 2,
    "per_device_train_batch_size": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, base: Path, prepared: Any, six: SimpleNamespace) -> Run:
    """An uninterrupted run of six steps, in one and a half epochs, to compare others with."""
    run = Run.create(tmp_path_factory.mktemp("whole") / "run")
    train(six, prepared, run)
    return run


@pytest.fixture(scope="module")
def six(base: Path) -> SimpleNamespace:
    from tests.engine.conftest import resolved

    return resolved(base, **SIX)


def test_a_run_learns_and_leaves_metrics_checkpoints_and_a_model(
    whole: Run, prepared: Any, rows: list[dict[str, Any]]
) -> None:
    from transformers import AutoModelForCausalLM

    records = read(whole.metrics)
    assert [point.step for point in curve_of(records).points] == [1, 3, 6]
    assert [one.step for one in curve_of(records).validation] == [0, 3, 6]
    assert curve_of(records).points[-1].loss < 0.8 * curve_of(records).points[0].loss
    assert whole.steps_saved == [3, 6]
    assert whole.finished
    taken = [rows[number] for step in step_log.read(whole.steps / "rank-0.steps") for number in step.rows]
    assert len(taken) == 24
    assert records[-2].tokens == sum(len(row["input_ids"]) for row in taken)
    assert records[-2].loss_tokens == sum(label != -100 for row in taken for label in row["labels"][1:])
    model = AutoModelForCausalLM.from_pretrained(whole.model)
    best = min(one.loss for one in curve_of(records).validation)
    assert measure(model, prepared.validation, Collator(0)).loss == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("at", [2, 4], ids=["inside an epoch", "between epochs"])
def test_a_stopped_run_resumes_to_the_same_records_and_weights(
    at: int, whole: Run, six: SimpleNamespace, prepared: Any, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run")
    follower = Follower(at, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(TerminatedError):
        train(six, prepared, run, follower)
    assert any(f"checkpoint-{at} written" in note for note in follower.notes)
    assert not run.finished
    outcome = train(six, prepared, Run.create(run.path, resume=True), resume=True)
    assert outcome.resumed_from == at
    assert same(weights(run), weights(whole))
    figures = [
        [(r.step, r.kind, r.loss, r.grad_norm, r.learning_rate, r.tokens) for r in read(one.metrics)]
        for one in (run, whole)
    ]
    assert figures[0] == figures[1]
    assert run.steps.joinpath("rank-0.steps").read_bytes() == whole.steps.joinpath("rank-0.steps").read_bytes()


def test_the_first_record_is_the_same_where_nothing_was_logged_before_the_checkpoint(
    prepared: Any, config: Config, tmp_path: Path
) -> None:
    settings = config(
        engine="accelerate", logging_steps=4, logging_first_step=False, eval_strategy="no", load_best_model_at_end=False
    )
    straight, halted = Run.create(tmp_path / "a"), Run.create(tmp_path / "b")
    train(settings, prepared, straight)
    with pytest.raises(TerminatedError):
        train(settings, prepared, halted, Follower(2, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    assert not halted.metrics.exists() or not read(halted.metrics)
    train(settings, prepared, halted, resume=True)
    assert [(one.step, one.loss) for one in read(halted.metrics)] == [(r.step, r.loss) for r in read(straight.metrics)]


def test_lora_with_dropout_resumes_to_the_same_adapter(prepared: Any, config: Config, tmp_path: Path) -> None:
    settings = config(engine="accelerate", model={"adapter": {"type": "lora", "r": 4}}, learning_rate=1e-2)
    straight, halted = Run.create(tmp_path / "a"), Run.create(tmp_path / "b")
    outcome = train(settings, prepared, straight)
    assert outcome.frozen.trainable < 0.2 * outcome.frozen.parameters
    with pytest.raises(KeyboardInterrupt):
        train(settings, prepared, halted, Follower(3, lambda: os.kill(os.getpid(), signal.SIGINT)))
    train(settings, prepared, halted, resume=True)
    assert same(weights(straight), weights(halted))


def test_early_stopping_stops_and_keeps_the_best(prepared: Any, config: Config, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    settings = config(engine="accelerate", max_steps=40, eval_steps=1, save_steps=1, learning_rate=0.3, patience=2,
                      warmup_steps=0, save_total_limit=1)  # fmt: skip
    outcome = train(settings, prepared, run)
    assert outcome.stopped_early
    assert outcome.steps < 40
    kept = measure(outcome.model, prepared.validation, Collator(0)).loss
    assert kept == pytest.approx(outcome.best_validation_loss, abs=1e-4)
    assert run.steps_saved == [outcome.best_step]


def test_frozen_weights_do_not_change(base: Path, prepared: Any, config: Config, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    run = Run.create(tmp_path / "run")
    train(config(engine="accelerate", model={"train_only": ["layers.4"]}, max_steps=2), prepared, run)
    before, after = load_file(base / "model.safetensors"), weights(run)
    changed = {key for key in after if not torch.equal(before[key], after[key])}
    assert changed
    assert all(".layers.4." in key for key in changed)


def test_bf16_and_activation_checkpointing_train_on_a_cpu(prepared: Any, config: Config, tmp_path: Path) -> None:
    settings = config(
        engine="accelerate", bf16=True, activation_checkpointing=True, max_steps=2, warmup_steps=0, save_strategy="no",
        eval_strategy="no", load_best_model_at_end=False,
    )  # fmt: skip
    outcome = train(settings, prepared, Run.create(tmp_path / "run"))
    assert outcome.records[-1].loss < outcome.records[0].loss
    assert outcome.model is not None
    assert outcome.model.dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu")


def test_without_validation_rows_it_trains_on(prepared: Any, config: Config, tmp_path: Path) -> None:
    alone = SimpleNamespace(**{**vars(prepared), "validation": None})
    outcome = train(config(engine="accelerate", max_steps=1, patience=2), alone, Run.create(tmp_path / "run"))
    assert outcome.validation_loss is None
    assert checkpoints.latest(Run(tmp_path / "run").checkpoints) is not None


def test_resuming_on_other_data_is_refused(whole: Run, six: SimpleNamespace, prepared: Any) -> None:
    other = SimpleNamespace(**{**vars(prepared), "fingerprint": "other rows"})
    with pytest.raises(RunError, match="not what checkpoint-6 was trained on"):
        train(six, other, whole, resume=True)


@pytest.mark.parametrize(
    ("key", "value"),
    [("label_smoothing_factor", 0.1), ("loss_type", "dft"), ("optim", "lomo"), ("torch_compile", True)],
)
def test_what_the_loop_does_not_follow_is_refused(
    key: str, value: object, prepared: Any, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"does not follow train.{key}"):
        train(config(engine="accelerate", **{key: value}), prepared, Run.create(tmp_path / "run"))
