from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sanetune.data.collator import Collator
from sanetune.engine import checkpoints
from sanetune.engine.loss import batch_loss, measure
from sanetune.engine.metrics import curve_of, read
from sanetune.engine.models import load_model
from sanetune.engine.registry import engine_of
from sanetune.errors import ConfigError, DataError, RunError
from sanetune.events import Event, Note, TrainingStarted
from sanetune.runs import Run
from tests.engine.conftest import model_section
from tests.engine.running import Follower, same, train, weights

Config = Callable[..., SimpleNamespace]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, base: Path, prepared: Any) -> Run:
    """An uninterrupted run of six steps, in one and a half epochs, to compare others with."""
    run = Run.create(tmp_path_factory.mktemp("whole") / "run")
    train(SIX(base), prepared, run)
    return run


def SIX(base: Path) -> SimpleNamespace:
    given = {
        "max_steps": 6, "per_device_train_batch_size": 4, "learning_rate": 1e-3, "lr_scheduler_type": "cosine",
        "warmup_steps": 1, "logging_steps": 1, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps",
        "save_steps": 2, "load_best_model_at_end": True, "seed": 3, "data_seed": 3, "use_cpu": True, "bf16": False,
        "neftune_noise_alpha": 5, "train_sampling_strategy": "group_by_length",
    }  # fmt: skip
    return SimpleNamespace(
        model=model_section(str(base)),
        train=SimpleNamespace(engine="trl", given=given, early_stopping_patience=None),
        run=SimpleNamespace(trackers=[], name="six"),
    )


def test_a_run_learns_and_leaves_metrics_checkpoints_and_a_model(
    whole: Run, base: Path, prepared: Any, rows: list[dict[str, Any]]
) -> None:
    records = read(whole.metrics)
    points = curve_of(records).points
    steps, losses = [point.step for point in points], [point.loss for point in points]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert losses[-1] < 0.7 * losses[0]
    assert [one.step for one in curve_of(records).validation] == [0, 2, 4, 6]
    assert whole.steps_saved == [2, 4, 6]
    assert whole.finished
    assert {path.suffix for path in whole.checkpoints.rglob("*.*")} == {".json", ".safetensors", ".jinja"}, "a pickle"
    last = [record for record in records if record.kind == "train"][-1]
    assert last.loss_tokens is not None
    assert last.tokens is not None
    assert 0 < last.loss_tokens < last.tokens
    epoch = next(record for record in records if record.kind == "train" and record.step == 4)
    assert epoch.tokens == sum(len(row["input_ids"]) for row in rows[:16])
    assert epoch.loss_tokens == sum(label != -100 for row in rows[:16] for label in row["labels"][1:])


def test_the_saved_model_loads_plainly_and_has_the_recorded_validation_loss(whole: Run, prepared: Any) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(whole.model)
    best = min(one.loss for one in curve_of(read(whole.metrics)).validation)
    assert measure(model, prepared.validation, Collator(0)).loss == pytest.approx(best, abs=1e-5)
    assert AutoTokenizer.from_pretrained(whole.model).chat_template == prepared.tokenizer.chat_template
    assert (model.generation_config.eos_token_id, model.generation_config.pad_token_id) == (2, 0)


def test_labels_and_loss_of_the_first_step_are_ours(base: Path, prepared: Any, config: Config, tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    from sanetune.engine.trl.trainer import Trainer

    original = Trainer.compute_loss

    def spy(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append({key: inputs[key].clone() for key in ("input_ids", "labels", "attention_mask")})
        assert not kwargs.get("return_outputs")
        return original(self, model, inputs, *args, **kwargs)

    settings = config(max_steps=1, gradient_accumulation_steps=2, eval_strategy="no", load_best_model_at_end=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "compute_loss", spy)
        outcome = train(settings, prepared, Run.create(tmp_path / "run"))
    by_ids = {tuple(row["input_ids"]): row["labels"] for row in prepared.train}
    assert len(seen) == 2
    for batch in seen:
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            length = int(mask.sum())
            assert (labels[length:] == -100).all()
            assert by_ids[tuple(ids[:length].tolist())] == labels[:length].tolist()
    expected = batch_loss(load_model(settings.model), seen)
    assert outcome.records[0].loss == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("size", [1, 3])
def test_validation_loss_does_not_depend_on_the_batch_size(
    size: int, prepared: Any, config: Config, tmp_path: Path
) -> None:
    settings = config(max_steps=1, per_device_eval_batch_size=size, eval_steps=1, save_strategy="no",
                      load_best_model_at_end=False)  # fmt: skip
    outcome = train(settings, prepared, Run.create(tmp_path / "run"))
    base = measure(load_model(settings.model), prepared.validation, Collator(0))
    assert outcome.base_validation_loss == pytest.approx(base.loss, abs=1e-5)


def test_the_curve_does_not_depend_on_whether_it_is_validated(prepared: Any, config: Config, tmp_path: Path) -> None:
    quiet = {"max_steps": 2, "save_strategy": "no", "load_best_model_at_end": False, "neftune_noise_alpha": 5}
    with_it = train(config(eval_steps=1, **quiet), prepared, Run.create(tmp_path / "a"))
    without = train(config(eval_strategy="no", **quiet), prepared, Run.create(tmp_path / "b"))
    assert curve_of(with_it.records).points == curve_of(without.records).points


def test_packs_train_like_padded_rows(
    rows: list[dict[str, Any]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    from datasets import Dataset

    packs = []
    for start in (0, 4):
        some = rows[start : start + 4]
        packs.append({
            "input_ids": [i for row in some for i in row["input_ids"]],
            "labels": [i for row in some for i in row["labels"]],
            "seq_lengths": [len(row["input_ids"]) for row in some],
        })  # fmt: skip
    losses = []
    for train_rows, size in ((Dataset.from_list(packs), 2), (Dataset.from_list(rows[:8]), 8)):
        data = SimpleNamespace(**{**vars(prepared), "train": train_rows, "validation": None})
        settings = config(max_steps=3, per_device_train_batch_size=size, packing=size == 2, save_strategy="no")
        losses.append(train(settings, data, Run.create(tmp_path / str(size))).records)
    for packed, padded in zip(*losses, strict=True):
        assert packed.loss == pytest.approx(padded.loss, abs=1e-4)
        assert packed.grad_norm == pytest.approx(padded.grad_norm, rel=1e-3)
        assert packed.tokens == padded.tokens


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_a_signal_saves_and_stops_and_the_resumed_run_ends_with_the_same_weights(
    number: signal.Signals, whole: Run, base: Path, prepared: Any, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run")
    before = signal.getsignal(number)
    follower = Follower(3, lambda: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt):
        train(SIX(base), prepared, run, follower)
    assert signal.getsignal(number) == before
    assert follower.ended == 1
    assert any("checkpoint-3 written" in note for note in follower.notes)
    assert run.steps_saved == [2, 3]
    assert not run.finished
    outcome = train(SIX(base), prepared, Run.create(run.path, resume=True), resume=True)
    assert outcome.resumed_from == 3
    assert same(weights(run), weights(whole))
    assert [(r.step, r.kind, r.loss, r.tokens) for r in read(run.metrics)] == [
        (r.step, r.kind, r.loss, r.tokens) for r in read(whole.metrics)
    ]


def test_a_signal_in_the_evaluation_before_the_first_step_stops_without_a_checkpoint(
    base: Path, prepared: Any, tmp_path: Path
) -> None:
    run, notes = Run.create(tmp_path / "run"), []

    def follow(event: Event) -> None:
        if isinstance(event, TrainingStarted):
            os.kill(os.getpid(), signal.SIGTERM)
        if isinstance(event, Note):
            notes.append(event.text)

    with pytest.raises(KeyboardInterrupt):
        train(SIX(base), prepared, run, follow)
    assert notes == ["stopping before the next step: no checkpoint is written"]
    assert run.steps_saved == []


def test_a_killed_run_resumes_from_its_last_checkpoint_in_a_later_epoch(
    whole: Run, base: Path, prepared: Any, tmp_path: Path
) -> None:
    class Killed(Exception):  # noqa: N818
        pass

    def kill() -> None:
        raise Killed

    run = Run.create(tmp_path / "run")
    with pytest.raises(Killed):
        train(SIX(base), prepared, run, Follower(5, kill))
    moved = run.path.rename(tmp_path / "moved elsewhere")
    outcome = train(SIX(base), prepared, Run.create(moved, resume=True), resume=True)
    assert outcome.resumed_from == 4
    assert same(weights(Run(moved)), weights(whole))


def test_resuming_on_other_data_is_refused(whole: Run, base: Path, prepared: Any) -> None:
    other = SimpleNamespace(**{**vars(prepared), "fingerprint": "other rows"})
    with pytest.raises(RunError, match="not what checkpoint-6 was trained on"):
        train(SIX(base), other, whole, resume=True)


def test_a_full_disk_keeps_the_last_good_checkpoint(
    base: Path, prepared: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sanetune.engine.trl.trainer import Trainer

    run = Run.create(tmp_path / "run")
    original = Trainer._save_optimizer_and_scheduler

    def full(self: Any, folder: str) -> None:
        if self.state.global_step == 4:
            raise OSError(28, "No space left on device")
        original(self, folder)

    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(RunError, match=r"disk is full: checkpoint-4 .* MB free") as caught:
        train(SIX(base), prepared, run)
    assert "checkpoint-2" in caught.value.rationale
    assert [path.name for path in sorted(run.checkpoints.iterdir())] == ["checkpoint-2"]
    monkeypatch.undo()
    assert train(SIX(base), prepared, run, resume=True).resumed_from == 2


def test_bf16_and_activation_checkpointing_train_on_a_cpu(prepared: Any, config: Config, tmp_path: Path) -> None:
    settings = config(
        bf16=True, activation_checkpointing=True, max_steps=2, warmup_steps=0, save_strategy="no", eval_strategy="no",
        load_best_model_at_end=False,
    )  # fmt: skip
    outcome = train(settings, prepared, Run.create(tmp_path / "run"))
    assert outcome.records[-1].loss < outcome.records[0].loss
    assert outcome.model.dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu")


def test_probes_compute_in_the_precision_of_the_run(prepared: Any, config: Config, tmp_path: Path) -> None:
    settings = config(
        bf16=True, max_steps=1, warmup_steps=0, save_strategy="no", eval_strategy="no", load_best_model_at_end=False
    )
    session = engine_of(settings).build(settings, prepared, Run.create(tmp_path / "probed"))
    seen = []
    session.model.get_output_embeddings().register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    batch = next(iter(session.train_batches()))
    evaluated, tokens = session.evaluate(batch).loss, session.token_losses(batch)
    step = session.forward_backward_step([batch])
    assert seen == [torch.bfloat16] * 3
    trained = train(settings, prepared, Run.create(tmp_path / "run")).records[0].loss
    in_loss = int((batch["labels"][:, 1:] != -100).sum())
    # In 32 bits the loss of this batch differs by 5e-4.
    assert step == pytest.approx(trained, abs=2e-6)
    assert evaluated == pytest.approx(trained, abs=2e-6)
    assert tokens.sum().item() / in_loss == pytest.approx(trained, abs=2e-6)


def test_a_lost_loss_is_shown_and_does_not_stick(
    prepared: Any, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sanetune.engine.trl.trainer import Trainer

    original = Trainer.compute_loss

    def spoilt(self: Any, *args: Any, **kwargs: Any) -> Any:
        loss = original(self, *args, **kwargs)
        # Spoils the value that is recorded, not the gradients.
        return loss + (float("nan") * loss.detach() if self.state.global_step == 1 else 0)

    monkeypatch.setattr(Trainer, "compute_loss", spoilt)
    run = Run.create(tmp_path / "run")
    train(config(max_steps=3, eval_strategy="no", save_strategy="no", load_best_model_at_end=False), prepared, run)
    assert [math.isnan(point.loss) for point in curve_of(read(run.metrics)).points] == [False, True, False]
    assert '"loss": "NaN"' in run.metrics.read_text()


def test_early_stopping_stops_and_keeps_the_best(prepared: Any, config: Config, tmp_path: Path) -> None:
    settings = config(max_steps=40, eval_steps=1, save_steps=1, learning_rate=0.3, patience=2, warmup_steps=0,
                      save_total_limit=1)  # fmt: skip
    run = Run.create(tmp_path / "run")
    outcome = train(settings, prepared, run)
    assert outcome.stopped_early
    assert outcome.steps < 40
    assert outcome.best_step is not None
    kept = measure(outcome.model, prepared.validation, Collator(0)).loss
    assert kept == pytest.approx(outcome.best_validation_loss, abs=1e-4)
    assert run.steps_saved == [outcome.best_step]


def test_frozen_weights_do_not_change(base: Path, prepared: Any, config: Config, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    run = Run.create(tmp_path / "run")
    outcome = train(config(model={"train_only": ["layers.4"]}, max_steps=2), prepared, run)
    before, after = load_file(base / "model.safetensors"), weights(run)
    changed = {key for key in after if not torch.equal(before[key], after[key])}
    assert changed
    assert all(".layers.4." in key for key in changed)
    assert outcome.frozen.matched == {"layers.4": 9}


def test_settings_that_trl_refuses_are_a_config_error(prepared: Any, config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TRL refuses"):
        train(config(lr_scheduler_type="invented"), prepared, Run.create(tmp_path / "run"))


def test_no_training_rows_is_a_data_error(prepared: Any, config: Config, tmp_path: Path) -> None:
    empty = SimpleNamespace(**{**vars(prepared), "train": prepared.train.select([])})
    with pytest.raises(DataError, match="no training rows"):
        train(config(), empty, Run.create(tmp_path / "run"))


def test_without_validation_rows_it_trains_on(prepared: Any, config: Config, tmp_path: Path) -> None:
    alone = SimpleNamespace(**{**vars(prepared), "validation": None})
    outcome = train(config(max_steps=1, patience=2), alone, Run.create(tmp_path / "run"))
    assert outcome.validation_loss is None
    assert checkpoints.latest(Run(tmp_path / "run").checkpoints) is not None
