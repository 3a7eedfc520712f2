"""What each of two processes runs in `test_two_processes_give_the_same_curve_as_one`: MODEL RUN [ENGINE]."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from datasets import Dataset
from transformers import AutoTokenizer

from sanetune.runs import Run

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.engine.conftest import STORY, TEMPLATE, model_section
from tests.engine.running import train


def rows(tokenizer: Any) -> list[dict[str, Any]]:
    made = []
    for i in range(24):
        ids = tokenizer(STORY * (1 + i % 3) + "The end. " * (i % 5))["input_ids"] + [tokenizer.eos_token_id]
        masked = 5 + 7 * (i % 4)
        made.append({"input_ids": ids, "labels": [-100] * masked + ids[masked:]})
    return made


def main(model: str, folder: str, engine: str = "trl") -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.pad_token, tokenizer.chat_template = "<unk>", TEMPLATE
    made = rows(tokenizer)
    prepared = SimpleNamespace(
        train=Dataset.from_list(made[:16]),
        # Five rows on two processes: a row that is padded in must not count.
        validation=Dataset.from_list(made[16:21]),
        tokenizer=tokenizer,
        stop_token_ids=[2],
        fingerprint="these rows",
    )
    given = {
        "max_steps": 2, "per_device_train_batch_size": 2, "learning_rate": 1e-3, "lr_scheduler_type": "cosine",
        "warmup_steps": 1, "logging_steps": 1, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps",
        "save_steps": 2, "load_best_model_at_end": True, "seed": 3, "data_seed": 3, "use_cpu": True, "bf16": False,
        "train_sampling_strategy": "sequential", "ddp_backend": "gloo", "per_device_eval_batch_size": 2,
    }  # fmt: skip
    config = SimpleNamespace(
        model=model_section(model),
        train=SimpleNamespace(engine=engine, given=given, early_stopping_patience=None),
        run=SimpleNamespace(trackers=[], name="two"),
    )
    train(config, prepared, Run(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
