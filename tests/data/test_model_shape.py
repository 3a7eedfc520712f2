"""Sizes told from a model's files are those of the model that transformers builds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sanetune.config.schema import ModelSection
from sanetune.data.model_files import context_from_file, locate
from sanetune.data.model_shape import sizes_from_files
from sanetune.planning.gather import sizes_of_built

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo" / "model"


def changed(at: Path, change: dict[str, Any]) -> Path:
    """The embedded model with other values in its config.json; None removes a key."""
    shutil.copytree(DEMO, at, dirs_exist_ok=True)
    config = json.loads((at / "config.json").read_text()) | change
    (at / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return at


@pytest.mark.parametrize("adapter", [None, "lora", {"r": 3, "dropout": 0.0}])
def test_sizes_are_those_of_the_built_model(adapter: object) -> None:
    section = ModelSection.model_validate({"name": str(DEMO), "adapter": adapter})
    assert sizes_from_files(section) == sizes_of_built(section, locate(str(DEMO)))


def test_sizes_of_a_real_model_are_those_of_the_built_one(shared: Path) -> None:
    section = ModelSection(name=str(shared / "models/stories260k"))
    assert sizes_from_files(section) == sizes_of_built(section, locate(section.name))


@pytest.mark.parametrize(
    "change",
    [
        {"vocab_size": 17},
        {"num_hidden_layers": 99},
        {"hidden_size": None},
        {"model_type": "t5"},
        {"model_type": "no-such"},
        {"text_config": {}},
        {"auto_map": {}},
        {"num_attention_heads": 7, "head_dim": None},
    ],
)
def test_a_configuration_that_does_not_tell_all_is_built(tmp_path: Path, change: dict[str, Any]) -> None:
    assert sizes_from_files(ModelSection(name=str(changed(tmp_path, change)))) is None


@pytest.mark.parametrize(
    "values", [{"freeze": ["embed_tokens"]}, {"train_only": ["layers.0"]}, {"adapter": {"dora": True}}]
)
def test_what_patterns_or_other_adapters_train_is_counted_on_the_built_model(values: dict[str, Any]) -> None:
    assert sizes_from_files(ModelSection.model_validate({"name": str(DEMO)} | values)) is None


def test_the_context_is_read_where_it_is_written_out(tmp_path: Path) -> None:
    written = json.loads((DEMO / "config.json").read_text())["max_position_embeddings"]
    assert context_from_file(str(DEMO)) == written
    assert context_from_file(str(changed(tmp_path, {"max_position_embeddings": None}))) is None
    assert context_from_file("owner/model") is None
