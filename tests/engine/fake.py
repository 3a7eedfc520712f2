"""The smallest engine: a plain loop around a tiny model, which is all that probes may need of one."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from sanetune.curves.series import Point
from sanetune.engine import loss
from sanetune.engine.adapters import Frozen
from sanetune.engine.base import Engine, EpochBatches, LoopSettings, Outcome, RunSession, ShortRun, StepBatches
from sanetune.engine.batch_shape import BatchShape
from sanetune.engine.batches import Batch, collate_for, loss_token_count
from sanetune.engine.loss import Measured

VOCABULARY = 48


def tiny_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, pad_token_id=0, eos_token_id=1, **sizes))


class FakeSession(RunSession):
    def __init__(self, rows: list[dict[str, Any]], settings: LoopSettings) -> None:
        self.model, self.settings, self.rows = tiny_model(), settings, rows
        self.frozen, self.notes = Frozen(), []

    def train(self, publish: Any = None, watcher: Any = None) -> Outcome:
        raise NotImplementedError

    def train_batches(self) -> list[Batch]:
        size = self.settings.per_device_train_batch_size
        return [self.collate(self.rows[at : at + size]) for at in range(0, len(self.rows), size)]

    def collate(self, rows: Sequence[dict[str, Any]]) -> Batch:
        return collate_for(0)(rows)

    def token_losses(self, batch: Batch) -> torch.Tensor:
        return loss.token_losses(self.model, batch)

    def forward_backward_step(self, batches: Sequence[Batch], *, label_smoothing: bool = True) -> float:
        self.model.train()
        total = loss.batch_loss(self.model, batches)
        total.backward()
        return float(total.detach())

    def evaluate(self, batch: Batch) -> Measured:
        with torch.no_grad():
            return Measured.of(float(self.token_losses(batch).sum()), loss_token_count(batch))

    @contextlib.contextmanager
    def optimizer(self) -> Iterator[torch.optim.Optimizer]:
        yield torch.optim.AdamW(self.model.parameters(), self.settings.learning_rate)

    def train_briefly(self, run: ShortRun, watcher: Any) -> None:
        batches = self.train_batches()
        with self.optimizer() as optimizer:
            watcher.begin()
            for step in range(1, run.steps + 1):
                batch = batches[step % len(batches)]
                in_loss = loss_token_count(batch)
                watcher.batches(StepBatches(int(batch["attention_mask"].sum()), in_loss, batch["labels"].numel(), 0.0))
                total = self.forward_backward_step([batch])
                optimizer.step()
                optimizer.zero_grad()
                if watcher.step(step):
                    break
                watcher.point(Point(step, total, self.settings.learning_rate))

    def detached_copy(self) -> LlamaForCausalLM:
        return copy.deepcopy(self.model)


class FakeEngine(Engine):
    def __init__(self, **settings: Any) -> None:
        self.settings = LoopSettings(**{"per_device_train_batch_size": 4, "per_device_eval_batch_size": 4} | settings)

    def build(
        self, config: Any, prepared: Any, run: Any, *, model: Any = None, resume: bool = False, hooks: Any = None
    ) -> FakeSession:
        return FakeSession(list(prepared.train), self.settings)

    def loss_on_shapes(self, model: Any, shape: BatchShape, device: str) -> torch.Tensor:
        return model(**shape.inputs()).logits.float().sum()

    def epoch(self, config: Any, prepared: Any) -> EpochBatches:
        return EpochBatches(FakeSession(list(prepared.train), self.settings).train_batches())
