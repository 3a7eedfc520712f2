"""What each of two processes runs in `test_two_processes`: MODEL FOLDER ENGINE."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from datasets import Dataset
from transformers import AutoTokenizer

from sanetune.engine.callbacks import Publisher
from sanetune.runs import Run
from tests.engine.conftest import STORY, TEMPLATE, model_section
from tests.engine.running import train

WHOLE_EPOCH = {"max_steps": 4, "train_sampling_strategy": "random"}


def rows(tokenizer: Any) -> list[dict[str, Any]]:
    made = []
    for i in range(24):
        ids = tokenizer(STORY * (1 + i % 3) + "The end. " * (i % 5))["input_ids"] + [tokenizer.eos_token_id]
        masked = 5 + 7 * (i % 4)
        made.append({"input_ids": ids, "labels": [-100] * masked + ids[masked:]})
    return made


def prepared_rows(model: str) -> SimpleNamespace:
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.pad_token, tokenizer.chat_template = "<unk>", TEMPLATE
    made = rows(tokenizer)
    return SimpleNamespace(
        # Fourteen rows in steps of four or eight: the last step of an epoch has fewer.
        train=Dataset.from_list(made[:14]),
        # Five rows on two processes: a row that is padded in must not count.
        validation=Dataset.from_list(made[16:21]),
        tokenizer=tokenizer,
        stop_token_ids=[2],
        fingerprint="rows-these",
    )


def configured(model: str, engine: str, **given: Any) -> SimpleNamespace:
    values = {
        "max_steps": 2, "per_device_train_batch_size": 2, "learning_rate": 1e-3, "lr_scheduler_type": "cosine",
        "warmup_steps": 1, "logging_steps": 1, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps",
        "save_steps": 2, "load_best_model_at_end": True, "seed": 3, "data_seed": 3, "use_cpu": True, "bf16": False,
        "train_sampling_strategy": "sequential", "ddp_backend": "gloo", "per_device_eval_batch_size": 2,
    }  # fmt: skip
    return SimpleNamespace(
        model=model_section(model),
        train=SimpleNamespace(engine=engine, given=values | given, early_stopping_patience=None),
        run=SimpleNamespace(trackers=[], name="two"),
    )


def signalled(at: int) -> Callable[..., None]:
    """What a publisher does at the end of a step, in the second process behind a signal at step ``at``."""
    plain = Publisher.on_step_end

    def on_step_end(self: Publisher, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if state.global_step == at and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGTERM)
        plain(self, args, state, control, **rest)

    return on_step_end


def main(model: str, folder: str, engine: str) -> None:
    prepared = prepared_rows(model)
    train(configured(model, engine, **WHOLE_EPOCH), prepared, Run(Path(folder) / "two"))
    # An epoch has four steps: the end of training at the second one is no end of an epoch.
    Publisher.on_step_end = signalled(2)  # type: ignore[method-assign]
    by_epoch = {"max_steps": 8, "eval_strategy": "epoch", "save_strategy": "epoch", "eval_steps": None}
    try:
        train(configured(model, engine, **by_epoch), prepared, Run(Path(folder) / "stopped"))
        ended = "finished"
    except KeyboardInterrupt:
        ended = "stopped"
    (Path(folder) / f"{os.environ['RANK']}.json").write_text(json.dumps(ended))
