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
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

    from sanetune.engine.documents import DocumentLoss

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
        useful: Tokens of its rows.
        in_loss: Tokens in the loss.
    """

    seconds: float
    cpu: float
    system: float
    loss: float = float("nan")
    norm: float = float("nan")
    useful: int = 0
    in_loss: int = 0


@dataclass
class Clock:
    """Measures steps."""

    steps: list[Step] = field(default_factory=list)
    _began: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def begin(self) -> None:
        self._began = _now()

    def end(self) -> None:
        self.steps.append(Step(*(now - before for now, before in zip(_now(), self._began, strict=True))))

    def figures(self, rows: Sequence[Row], rows_of_a_step: int) -> list[dict[str, Any]]:
        """Return the steps over ``rows``, which were made in their order."""
        assert len(self.steps) == -(-len(rows) // rows_of_a_step), "another number of steps than these rows make"
        for number, step in enumerate(self.steps):
            some = rows[number * rows_of_a_step : (number + 1) * rows_of_a_step]
            step.useful = sum(len(row["input_ids"]) for row in some)
            step.in_loss = sum(label != -100 for row in some for label in row["labels"][1:])
        return [asdict(step) for step in self.steps]


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
    from trl import SFTConfig, SFTTrainer

    clock, longest = Clock(), max(len(row["input_ids"]) for row in rows)
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
        trainer = SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer)
        made = [{name: row[name] for name in ("input_ids", "labels")} for row in trainer.train_dataset]
        kept, given = (sum(len(row["input_ids"]) for row in some) for some in (made, rows))
        assert kept == given, "TRL has dropped tokens"
        watched(trainer, clock)
        trainer.train()
    of_a_step = sizes["per_device_train_batch_size"] * sizes.get("gradient_accumulation_steps", 1)
    return {"steps": clock.figures(made, of_a_step)}


def train_by_trainer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], bf16: bool
) -> dict[str, Any]:
    """transformers' own trainer with its defaults: rows padded, activations kept."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, use_cpu=True, bf16=bf16, per_device_train_batch_size=BATCH,
            learning_rate=LEARNING_RATE, lr_scheduler_type="constant", num_train_epochs=1, logging_steps=1,
            save_strategy="no", report_to="none", disable_tqdm=True, train_sampling_strategy="sequential",
        )  # fmt: skip
        trainer = Trainer(model, arguments, DataCollatorForSeq2Seq(tokenizer), train_dataset=list(rows))
        watched(trainer, clock)
        trainer.train()
    return {"steps": clock.figures(rows, BATCH)}


def watched(trainer: Trainer, clock: Clock) -> None:
    """Let ``clock`` measure the steps of ``trainer``, and keep what it logs of each."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            clock.begin()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.end()

        def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
            if "loss" in logs:
                clock.steps[-1].loss, clock.steps[-1].norm = logs["loss"], logs["grad_norm"]

    trainer.add_callback(Watch())


def train_by_documents(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Row],
    bf16: bool,
    shared: bool,
    loss: DocumentLoss | None,
) -> tuple[dict[str, Any], DocumentLoss]:
    """A plain loop around the loss of documents: torch's optimizer, gradients clipped as TRL's defaults have them.

    ``loss`` is that of an earlier call on this model, which has compared some documents with separate rows already.
    """
    import torch

    from sanetune.data.collator import Collator
    from sanetune.engine.batches import loss_token_count
    from sanetune.engine.documents import DocumentLoss

    clock, loss = Clock(), loss or DocumentLoss(model, share=shared)
    before = (loss.tokens, loss.computed)
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
    counted = {"tokens": loss.tokens - before[0], "computed": loss.computed - before[1]}
    return {"steps": clock.figures(rows, BATCH), "notes": loss.notes, **counted}, loss


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
    "trainer": {},
    "unsloth": {"packed": False, "recomputed": False},
    "documents": {"shared": False},
    "prefixes": {"shared": True},
    "engine": {},
}
"""What is compared. TRL: its defaults; packed; both with activations kept instead of computed again. transformers' own
trainer with its defaults. Unsloth's model in TRL's trainer as Unsloth changes it, activations kept. Ours: documents
without padding, without and with shared beginnings, in a plain loop; and ``train.engine: accelerate`` as it is."""


class System:
    """One of :data:`SYSTEMS` with its model; what it learns about the model on its first rows it knows afterwards."""

    def __init__(self, name: str, model: PreTrainedModel, tokenizer: Any, bf16: bool) -> None:
        self.name, self.model, self.tokenizer, self.bf16 = name, model, tokenizer, bf16
        self._loss: DocumentLoss | None = None

    @property
    def is_ours(self) -> bool:
        """Whether sanetune trains."""
        return self.name in ("documents", "prefixes", "engine")

    def train(self, rows: Sequence[Row]) -> dict[str, Any]:
        """One epoch over ``rows`` in their order."""
        from bench.throughput.engine import train_by_engine

        given = (self.model, self.tokenizer, rows, self.bf16)
        if not self.is_ours:
            return (train_by_trainer if self.name == "trainer" else train_by_trl)(*given, **SYSTEMS[self.name])
        ours = train_by_engine if self.name == "engine" else train_by_documents
        found, self._loss = ours(*given, **SYSTEMS[self.name], loss=self._loss)
        return found


def dtype_of(bf16: bool) -> torch.dtype:
    """What products are made in."""
    import torch

    return torch.bfloat16 if bf16 else torch.float32
