"""Trials have the learning rate of their method, and those that train the same weights are one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.data.prepare import prepare
from sanetune.demo import MODEL, TRAIN
from sanetune.planning.learning_rates import learning_rate
from sanetune.planning.plan import plan
from sanetune.workflows.sweep.in_effect import in_effect, said_of_methods
from sanetune.workflows.sweep.space import LR, Changes
from sanetune.workflows.sweep.trial import Bench

FULL: Changes = {"model.adapter": None}
LORA: Changes = {"model.adapter": "lora"}
TOKENIZER: Any = SimpleNamespace()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sanetune.engine.models.new_tokens", lambda section, tokenizer: [])
    (tmp_path / "rows.jsonl").write_text("".join(TRAIN.read_text().splitlines(keepends=True)[:24]))
    return load(
        {
            "model": {"name": str(MODEL)},
            "data": {"train": str(tmp_path / "rows.jsonl"), "holdout": 0.25, "workers": 1},
            "train": {"learning_rate": 4e-4, "max_steps": 4, "use_cpu": True},
            "run": {"output_dir": str(tmp_path / "run"), "trackers": []},
        }
    )


def test_a_trial_of_another_method_has_the_learning_rate_that_is_inferred_for_its_own(config: Config) -> None:
    inferred = learning_rate("lora", 1_100_000, 128)[0]
    bench = Bench(config, prepare(config), 2, lr_of="full")
    full, lora = (bench.planned(one) for one in (FULL, LORA))
    assert (full.changes, full.plan.steps.learning_rate) == (FULL, 4e-4)
    assert (lora.changes, lora.plan.steps.learning_rate) == ({**LORA, LR: inferred}, inferred) and inferred > 1e-3
    without = plan(load(config, ["model.adapter=lora", "train.learning_rate=null"]), bench.prepared)
    assert without.steps.learning_rate == inferred, "what a configuration of its own would have"
    again = Bench(config, bench.prepared, 2).planned(lora.changes)
    assert again.key == lora.key, "another process plans it so, too"


def test_a_learning_rate_that_is_typed_is_that_of_all_methods(config: Config) -> None:
    for lr_of, changes in ((None, LORA), ("full", {**LORA, LR: 1e-3})):
        assert in_effect(config, changes, lr_of, TOKENIZER) == (changes, [])  # type: ignore[arg-type]


def test_of_methods_is_said_which_learning_rates_they_have_and_want(config: Config) -> None:
    sizes = plan(config).sizes.model
    [own] = said_of_methods(config, [FULL, {**LORA, LR: 3e-3}], "full", sizes)
    assert "of the configuration is for full fine-tuning: it is 3e-03 in trials of LoRA, as inferred for it" in own
    [same] = said_of_methods(config, [FULL, LORA], None, sizes)
    assert "at the same learning rate" in same and "3e-03 for LoRA" in same and "4.3e-04 for full fine-tuning" in same
    assert said_of_methods(config, [LORA, {**LORA, "model.adapter.r": 4}], None, sizes) == []
    assert said_of_methods(config, [FULL, {"train.seed": 2}], "full", sizes) == []


def test_patterns_that_freeze_nothing_are_none_and_said(config: Config) -> None:
    for key, nothing, some in (
        ("freeze", "embed_tokens", "layers.0"),
        ("train_only", ["layers.*"], ["layers.1"]),
    ):
        found, [note] = in_effect(config, {**LORA, f"model.{key}": nothing}, None, TOKENIZER)
        assert found == {**LORA, f"model.{key}": None}
        assert f"freezes nothing in trials of LoRA: they are those of {key}=none" in note
        for changes in ({**LORA, f"model.{key}": some}, {**FULL, f"model.{key}": nothing}):
            assert in_effect(config, changes, None, TOKENIZER) == (changes, [])


def test_rows_of_new_tokens_are_trained_beside_an_adapter_and_can_be_frozen(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sanetune.engine.models.new_tokens", lambda section, tokenizer: [7])
    changes: Changes = {**LORA, "model.freeze": "embed_tokens"}
    assert in_effect(config, changes, None, TOKENIZER) == (changes, [])
