"""Stand-ins for a resolved configuration and prepared data: the engine needs their attributes, not their making."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.config.schema import ModelSection

TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
STORY = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. "


@pytest.fixture(scope="session")
def base(shared: Path) -> Path:
    """A real small pre-trained model: 260,032 weights, tied embeddings, vocabulary 512, context 512."""
    return shared / "models" / "stories260k"


@pytest.fixture(scope="session")
def tokenizer(base: Path) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = "<unk>"
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@pytest.fixture(scope="session")
def rows(tokenizer: Any) -> list[dict[str, Any]]:
    """24 examples of 29 to 110 tokens whose first tokens are masked, the number of masked ones differing."""
    made = []
    for i in range(24):
        ids = tokenizer(STORY * (1 + i % 3) + "The end. " * (i % 5))["input_ids"] + [tokenizer.eos_token_id]
        masked = 5 + 7 * (i % 4)
        made.append({"input_ids": ids, "labels": [-100] * masked + ids[masked:], "row": i, "length": len(ids)})
    return made


@pytest.fixture(scope="session")
def prepared(tokenizer: Any, rows: list[dict[str, Any]]) -> SimpleNamespace:
    from datasets import Dataset

    return SimpleNamespace(
        train=Dataset.from_list(rows[:16]),
        validation=Dataset.from_list(rows[16:]),
        tokenizer=tokenizer,
        stop_token_ids=[2],
        max_length=512,
        fingerprint="rows-these",
    )


def model_section(name: str, **given: Any) -> ModelSection:
    """The ``model`` section of a resolved configuration."""
    return ModelSection(name=name, **given)


def resolved(
    base: Path, *, engine: str = "trl", model: dict[str, Any] | None = None, patience: int | None = None, **given: Any
) -> SimpleNamespace:
    """A resolved configuration of a short run."""
    trackers = given.pop("trackers", [])
    values = {
        "max_steps": 4, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, "learning_rate": 1e-3,
        "lr_scheduler_type": "cosine", "warmup_steps": 1, "logging_steps": 1, "eval_strategy": "steps",
        "eval_steps": 2, "save_strategy": "steps", "save_steps": 2, "load_best_model_at_end": True, "seed": 3,
        "data_seed": 3, "use_cpu": True, "bf16": False,
    }  # fmt: skip
    return SimpleNamespace(
        model=model_section(**{"name": str(base)} | (model or {})),
        train=SimpleNamespace(engine=engine, given=values | given, early_stopping_patience=patience),
        run=SimpleNamespace(trackers=trackers, name="test", devices=None),
    )


@pytest.fixture
def config(base: Path) -> Callable[..., SimpleNamespace]:
    """Builds a resolved configuration: ``config(learning_rate=1e-3, model={"adapter": "lora"})``."""
    return partial(resolved, base)
