"""Whole runs on real data: the loss falls, answers are written before and after, the saved model is the trained one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sanetune
from tests import real

pytestmark = pytest.mark.usefixtures("one_thread", "short_answers")
UNCHECKED = "a few steps that test the training itself"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))


def check(trained: Any) -> None:
    comparison = trained.comparison
    assert comparison.tuned_loss < comparison.base_loss
    assert all(r.grad_norm > 0 for r in trained.outcome.records if r.kind == "train")
    samples = json.loads(trained.run.samples.read_text())
    assert len(samples["pairs"]) == 5
    assert all({"base", "tuned"} <= pair.keys() for pair in samples["pairs"])
    assert real.reload_difference(trained) < 1e-4


@pytest.mark.parametrize("adapter", [None, "lora"])
@pytest.mark.parametrize("name", real.STORIES)
def test_stories260k_learns(shared: Path, tmp_path: Path, name: str, adapter: str | None) -> None:
    data = {"train": real.STORIES[name], "max_examples": 150}
    train = {"max_steps": 12, "max_length": 384, "eval_strategy": "steps", "eval_steps": 12, "save_steps": 12}
    train |= {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, "learning_rate": 1e-3}
    keys = {"chat_template": "chatml"} | ({"adapter": adapter} if adapter else {})
    model = shared / "models/stories260k"
    check(sanetune.train(real.config(shared, model, data, tmp_path / "run", train, **keys), unchecked=UNCHECKED))


def test_a_qwen3_shaped_model_learns_tool_calls(shared: Path, tmp_path: Path) -> None:
    """The airline data, whose conversations are long, and SmolLM2's shape take minutes: they are in bench/real.py."""
    data = {**real.TOOLS["drone"], "max_examples": 8, "holdout": 0.25}
    train = {"max_steps": 4, "max_length": 4096, "per_device_train_batch_size": 1, "learning_rate": 5e-3}
    train |= {"gradient_accumulation_steps": 1, "eval_strategy": "steps", "eval_steps": 4, "save_steps": 4}
    settings = real.config(shared, real.qwen3(shared, tmp_path / "model"), data, tmp_path / "run", train)
    trained = sanetune.train(settings, unchecked=UNCHECKED)
    assert trained.comparison is not None
    assert trained.comparison.tuned_loss < trained.comparison.base_loss
    assert real.reload_difference(trained) < 1e-4
