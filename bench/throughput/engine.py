"""The row of the real engine: a session of ``train.engine: accelerate``, as ``sanetune train`` makes it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.throughput.rows import Row
from bench.throughput.systems import BATCH, LEARNING_RATE, Clock

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from sanetune.config.schema import Config
    from sanetune.data.prepared import Prepared
    from sanetune.engine.documents import DocumentLoss


def train_by_engine(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    rows: Sequence[Row],
    bf16: bool,
    loss: DocumentLoss | None,
) -> tuple[dict[str, Any], DocumentLoss]:
    """One epoch of the engine, its callbacks, records, step log and saving included; saving is not in a step.

    Args:
        model: It is trained.
        tokenizer: Its own.
        rows: In the order of the run.
        bf16: Whether products are in bfloat16.
        loss: Of an earlier call on this model, which has compared some documents with separate rows already; None:
            there was none.
    """
    from sanetune.engine.accelerate.engine import AccelerateEngine
    from sanetune.events import Event, RecordLogged, StepFinished, TrainingStarted
    from sanetune.runs import Run

    clock = Clock()

    def follow(event: Event) -> None:
        match event:
            case TrainingStarted():
                clock.begin()
            case StepFinished():
                clock.end()
                clock.begin()
            case RecordLogged(record) if record.kind == "train":
                clock.steps[-1].loss, clock.steps[-1].norm = record.loss, record.grad_norm or 0.0

    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run")
        config = settings(model, Path(folder), bf16)
        session = AccelerateEngine().build(config, prepared(tokenizer, rows), run, model=model)
        if loss is not None:
            session.parts.token_loss = loss
        made = session.parts.token_loss
        before = (made.tokens, made.computed)
        outcome = session.train(follow)
    counted = {"tokens": made.tokens - before[0], "computed": made.computed - before[1]}
    return {"steps": clock.figures(rows, BATCH), "notes": outcome.notes, **counted}, made


def settings(model: PreTrainedModel, folder: Path, bf16: bool) -> Config:
    """A configuration of one epoch in the order of the rows, with TRL's optimizer and clipping."""
    from sanetune.config.load import load

    rows = folder / "rows.jsonl"
    rows.touch()
    return load({
        "model": {"name": model.name_or_path, "dtype": "float32"},
        "data": {"train": str(rows)},
        "train": {
            "engine": "accelerate", "per_device_train_batch_size": BATCH, "num_train_epochs": 1,
            "learning_rate": LEARNING_RATE, "lr_scheduler_type": "constant", "warmup_steps": 0, "bf16": bf16,
            "use_cpu": True, "logging_steps": 1, "save_strategy": "no", "train_sampling_strategy": "sequential",
        },
        "run": {"output_dir": str(folder), "trackers": []},
    })  # fmt: skip


def prepared(tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row]) -> Prepared:
    """``rows`` as preparation leaves them."""
    from datasets import Dataset

    from sanetune.data.prepared import Prepared

    longest = max(len(row["input_ids"]) for row in rows)
    ends = [tokenizer.eos_token_id]
    data = Dataset.from_list([dict(row) for row in rows])
    return Prepared({"train": data}, tokenizer, False, longest, ends, {}, [], [], "bench", {}, {})
