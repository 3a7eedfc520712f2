"""One training of the same rows by each system: the seconds and figures of every step."""

from __future__ import annotations

import contextlib
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from bench.throughput.rows import Row

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LEARNING_RATE = 1e-5
BATCH = 8
MOST_PACKED = 2048
"""Tokens of a pack, unless a row alone has more."""


@dataclass
class Step:
    """One step of the optimizer.

    Attributes:
        seconds: Of the clock.
        cpu: CPU seconds of the process, of which ``system`` in the kernel.
        loss: Mean over the tokens in the loss.
        norm: Norm of the gradient, before it is clipped.
    """

    seconds: float
    cpu: float
    system: float
    loss: float = float("nan")
    norm: float = float("nan")


@dataclass
class Clock:
    """Measures steps."""

    steps: list[Step] = field(default_factory=list)
    _began: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def begin(self) -> None:
        self._began = _now()

    def end(self) -> None:
        self.steps.append(Step(*(now - before for now, before in zip(_now(), self._began, strict=True))))


def _now() -> tuple[float, float, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), usage.ru_utime + usage.ru_stime, usage.ru_stime


def train_by_trl(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Row],
    bf16: bool,
    packed: bool,
    recomputed: bool,
) -> dict[str, Any]:
    """TRL's trainer: defaults, or what of packing and activation checkpointing is asked for."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    clock = Clock()

    class Watch(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            clock.begin()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.end()

        def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
            if "loss" in logs:
                clock.steps[-1].loss, clock.steps[-1].norm = logs["loss"], logs["grad_norm"]

    longest = max(len(row["input_ids"]) for row in rows)
    tokens = BATCH * sum(len(row["input_ids"]) for row in rows) // len(rows)
    capacity = max(longest, min(MOST_PACKED, tokens))
    sizes: dict[str, Any] = {"per_device_train_batch_size": BATCH, "max_length": max(1024, longest)}
    if packed:
        packs = max(1, round(tokens / capacity))
        sizes = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": packs, "max_length": capacity}
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder, use_cpu=True, bf16=bf16, packing=packed, gradient_checkpointing=recomputed,
            learning_rate=LEARNING_RATE, lr_scheduler_type="constant", num_train_epochs=1, logging_steps=1,
            save_strategy="no", report_to="none", disable_tqdm=True, train_sampling_strategy="sequential", **sizes,
        )  # fmt: skip
        data = Dataset.from_list([dict(row) for row in rows])
        trainer = SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer, callbacks=[Watch()])
        computed = sum(len(row["input_ids"]) for row in trainer.train_dataset)
        assert computed == sum(len(row["input_ids"]) for row in rows), "TRL has dropped tokens"
        trainer.train()
    return {"steps": [asdict(step) for step in clock.steps]}


def train_by_documents(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Row],
    bf16: bool,
    shared: bool,
) -> dict[str, Any]:
    """A plain loop around the loss of documents: torch's optimizer, gradients clipped as TRL's defaults have them."""
    import torch

    from sanetune.data.collator import Collator
    from sanetune.engine.batches import loss_token_count
    from sanetune.engine.documents import DocumentLoss

    clock, loss = Clock(), DocumentLoss(model, share=shared)
    collate = Collator(tokenizer.pad_token_id or 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0, fused=True)
    model.train()
    for start in range(0, len(rows), BATCH):
        batch = collate(rows[start : start + BATCH])
        clock.begin()
        with loss.step():
            with mixed(bf16):
                total, _ = loss(batch)
            mean = total / loss_token_count(batch)
            mean.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.end()
        clock.steps[-1].loss, clock.steps[-1].norm = float(mean.detach()), float(norm)
    steps = [asdict(step) for step in clock.steps]
    return {"steps": steps, "notes": loss.notes, "computed": loss.computed, "tokens": loss.tokens}


@contextlib.contextmanager
def mixed(bf16: bool) -> Iterator[None]:
    """Products in bfloat16, where asked for."""
    import torch

    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        yield


SYSTEMS: dict[str, dict[str, Any]] = {
    "trl": {"packed": False, "recomputed": True},
    "trl-packed": {"packed": True, "recomputed": True},
    "trl-kept": {"packed": False, "recomputed": False},
    "trl-packed-kept": {"packed": True, "recomputed": False},
    "documents": {"shared": False},
    "prefixes": {"shared": True},
}
"""What is compared. TRL: its defaults; packed; both with activations kept instead of computed again. Ours: documents
without padding, without and with shared beginnings."""


def train(name: str, model: PreTrainedModel, tokenizer: Any, rows: Sequence[Row], bf16: bool) -> dict[str, Any]:
    """One epoch over ``rows`` in their order."""
    chosen = train_by_trl if name.startswith("trl") else train_by_documents
    return chosen(model, tokenizer, rows, bf16, **SYSTEMS[name])


def dtype_of(bf16: bool) -> torch.dtype:
    """What products are made in."""
    import torch

    return torch.bfloat16 if bf16 else torch.float32
