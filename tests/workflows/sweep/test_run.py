"""A real sweep of a tiny model: its trials are short runs, made once and kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.data.prepare import prepare
from sanetune.demo import MODEL, TRAIN
from sanetune.engine import models
from sanetune.errors import ConfigError, DataError
from sanetune.events import Event, SweepTrialMade
from sanetune.workflows.sweep.run import sweep
from sanetune.workflows.sweep.store import FILE
from sanetune.workflows.sweep.trial import Bench

pytestmark = pytest.mark.usefixtures("one_thread")
LR = "train.learning_rate"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    rows = TRAIN.read_text().splitlines(keepends=True)[:24]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    return load(
        {
            "model": {"name": str(MODEL)},
            "data": {"train": str(tmp_path / "rows.jsonl"), "holdout": 0.25, "workers": 1},
            "train": {"max_steps": 4, "per_device_train_batch_size": 2, "use_cpu": True},
            "run": {"output_dir": str(tmp_path / "run"), "trackers": []},
        }
    )


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that are loaded."""
    names: list[str] = []
    original = models.load_model

    def load_model(section: Any, **keywords: Any) -> Any:
        names.append(section.name)
        return original(section, **keywords)

    monkeypatch.setattr(models, "load_model", load_model)
    return names


def test_a_sweep_loads_its_model_once_and_goes_on_where_it_was_killed(config: Config, loads: list[str]) -> None:
    words = ["adapter=none,lora", "learning_rate=3e-3"]
    found = sweep(config, words, trial_steps=3)
    assert len(loads) == 1
    assert [one.changes for one in found.trials] == [{"model.adapter": None}, {"model.adapter": "lora"}]
    assert {(one.steps, one.lr) for one in found.trials} == {(3, 3e-3)}
    full, lora = found.trials
    assert full.loss < lora.loss < found.start.loss
    assert found.best is full

    file = Path(found.folder) / FILE
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1][:100])
    events: list[Event] = []
    again = sweep(config, words, trial_steps=3, publish=events.append)
    assert [one.made_now for one in events if isinstance(one, SweepTrialMade)] == [False, True]
    assert [one.evaluation for one in again.trials] == [one.evaluation for one in found.trials]
    kept = json.loads((Path(found.folder) / "sweep.json").read_text())
    assert kept["best"]["changes"] == full.changes


def test_other_weights_in_the_folder_of_the_base_make_other_trials_start_and_critical_lr(
    config: Config, tmp_path: Path
) -> None:
    """All three are kept by the key of what was planned."""
    copied = shutil.copytree(MODEL, tmp_path / "base")
    of_copy = load(config, [f"model.name={copied}"])
    prepared = prepare(of_copy)
    before = {str(changes): Bench(of_copy, prepared, 2).planned(changes).key for changes in ({}, {LR: 1e-3})}
    assert Bench(of_copy, prepared, 2).planned({}).key == before["{}"]
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    bench = Bench(of_copy, prepared, 2)
    assert bench.planned({}).key not in before.values()
    assert bench.planned({LR: 1e-3}).key not in before.values()


def test_a_trial_is_the_run_itself_where_it_has_as_many_steps(config: Config) -> None:
    """The last evaluation of a whole run of `sanetune train` is what the sweep measured."""
    from sanetune.workflows.train import train

    trained = train(load(config, [f"{LR}=3e-3", "train.eval_strategy=steps", "train.eval_steps=4"]))
    bench = Bench(config, prepare(config), 50)
    trial = bench.run(bench.planned({LR: 3e-3}))
    assert trial.planned_steps == 4
    assert trained.outcome.validation_loss == pytest.approx(trial.loss, abs=1e-4)


def test_the_learning_rate_alone_is_searched_around_the_critical_one(config: Config) -> None:
    found = sweep(config, [], trial_steps=2, trials=2)
    assert found.critical_lr is not None
    assert 1 < found.probe_steps < 200
    lrs = [one.lr for one in found.trials]
    assert len(set(lrs)) == 2
    assert max(lrs) < 10 * found.critical_lr
    assert found.trials[0].lr < found.critical_lr


def test_a_search_that_ends_before_its_last_trial_says_so_with_numbers(config: Config) -> None:
    pytest.importorskip("optuna")
    found = sweep(config, ["lora_r=2..3", "learning_rate=3e-3"], trial_steps=1, trials=4)
    assert sorted(one.changes["model.adapter.r"] for one in found.trials) == [2, 3]
    assert any("The search ended after 2 of 4 trials: 50 proposals in a row" in note for note in found.notes)


def test_neftune_noise_and_frozen_weights_are_swept_as_training_does_them(config: Config) -> None:
    """Noise is in training only, so that all trials begin alike; frozen weights take no part."""
    words = ["neftune_noise_alpha=none,30", "freeze=none,layers.*", "learning_rate=3e-3"]
    found = sweep(config, words, trial_steps=3)
    plain, frozen, noisy, _ = found.trials
    assert [one.changes["train.neftune_noise_alpha"] for one in found.trials] == [None, None, 30, 30]
    assert {one.curve[0][1] for one in found.trials} == {plain.curve[0][1]}
    assert noisy.losses[0] != pytest.approx(plain.losses[0], abs=1e-3)
    assert frozen.losses[0] == plain.losses[0]
    assert plain.loss < frozen.loss < found.start.loss
    assert len({one.loss for one in found.trials}) == 4


def test_a_learning_rate_that_is_far_too_high_ends_early_and_is_told_as_diverged(config: Config) -> None:
    bench = Bench(config, prepare(config), 4)
    trial = bench.run(bench.planned({LR: 1e4}))
    assert trial.state == "diverged"
    assert trial.reason
    assert not trial.comparable


def test_that_settings_of_an_adapter_make_lora_of_full_fine_tuning_is_said(config: Config) -> None:
    found = sweep(config, ["lora_r=2,4"], trial_steps=1)
    assert "model.adapter.r makes LoRA of every trial" in found.notes[0]
    both = sweep(config, ["adapter=none,lora", "lora_r=2"], trial_steps=1)
    assert not any("of every trial" in note for note in both.notes)


def test_trials_that_train_the_same_weights_are_one_and_methods_have_learning_rates_of_their_own(
    config: Config,
) -> None:
    found = sweep(config, ["adapter=none,lora", "freeze=none,embed_tokens"], trial_steps=1)
    assert [(one.changes.get("model.freeze"), one.lr) for one in found.trials] == [
        (None, found.trials[0].lr),
        ("embed_tokens", found.trials[0].lr),
        (None, 3e-3),
    ]
    assert found.trials[2].label == "adapter=lora, freeze=none, learning_rate=0.003"
    notes = " ".join(found.notes)
    assert "3e-03 in trials of LoRA" in notes and "freeze=embed_tokens freezes nothing in trials of LoRA" in notes
    typed = sweep(config, ["adapter=none,lora", "learning_rate=1e-3"], trial_steps=1)
    assert {one.lr for one in typed.trials} == {1e-3}
    assert "Methods were compared at the same learning rate" in typed.notes[0]


def test_what_makes_no_sense_is_an_error_before_anything_is_trained(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Nothing varies"):
        sweep(config, ["learning_rate=1e-4"])
    with pytest.raises(ConfigError, match="all values are listed"):
        sweep(config, ["learning_rate=1e-4,1e-3"], trials=3)
    with pytest.raises(ConfigError, match="learning_rate"):
        sweep(config, ["learning_rate=fast,slow"])


def test_rows_to_compare_on_are_needed(config: Config, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(TRAIN.read_text().splitlines(keepends=True)[:4]))
    with pytest.raises(DataError, match="too few rows"):
        sweep(load(config, ["data.holdout=0"]), ["learning_rate=1e-4,1e-3"], trial_steps=1)
