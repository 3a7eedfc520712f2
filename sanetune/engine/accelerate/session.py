"""A session of sanetune's own loop: the whole run, and the parts of it that probes need."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import EarlyStoppingCallback, PreTrainedModel, TrainerCallback
from transformers.integrations.neftune import activate_neftune, deactivate_neftune
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from sanetune.engine import loss, sharding, trackers
from sanetune.engine.accelerate import loop_checkpoints
from sanetune.engine.accelerate.dataloaders import train_loader
from sanetune.engine.accelerate.loop import Loop, fit
from sanetune.engine.accelerate.loss_module import LOSS, LossModule
from sanetune.engine.accelerate.optimizers import make_optimizer
from sanetune.engine.accelerate.parts import Parts
from sanetune.engine.adapters import Frozen
from sanetune.engine.allocator import keep_freed_memory
from sanetune.engine.base import Outcome, RunSession, ShortRun, StepWatcher
from sanetune.engine.batches import Batch, Batches, Row, loss_token_count
from sanetune.engine.building import unquantised, whole_copy
from sanetune.engine.callbacks import PublishedEnd, Publisher
from sanetune.engine.documents import DocumentLoss
from sanetune.engine.finishing import outcome_of
from sanetune.engine.guarded_tracker import guarded, send_texts
from sanetune.engine.hooks import Hooks
from sanetune.engine.library_logs import quiet
from sanetune.engine.loop_settings import loop_settings
from sanetune.engine.loss import Measured
from sanetune.engine.metrics import MetricsFile
from sanetune.engine.save import save_model
from sanetune.engine.signals import Stop
from sanetune.engine.step_log import StepLog
from sanetune.engine.watched_run import NumberedBatches, WatchedRun
from sanetune.engine.watched_steps import WatchedSteps
from sanetune.events import Publish, silent
from sanetune.runs import Run

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.engine.watcher import RunWatcher


class AccelerateSession(RunSession):
    """See :class:`sanetune.engine.base.RunSession`."""

    def __init__(
        self,
        parts: Parts,
        config: Config,
        prepared: Prepared,
        run: Run,
        frozen: Frozen,
        notes: list[str],
        start: Path | None,
    ) -> None:
        self.parts, self.frozen, self.notes = parts, frozen, notes
        self.settings = loop_settings(parts.args)
        self._config, self._prepared, self._run, self._start = config, prepared, run, start

    @property
    def model(self) -> PreTrainedModel:  # type: ignore[override]
        """The model as it trains."""
        return self.parts.model

    @property
    def whole_model(self) -> PreTrainedModel | None:
        """See :attr:`sanetune.engine.base.Session.whole_model`."""
        return None if self.parts.accelerator.is_fsdp2 else self.parts.model

    # ---- a run ----

    def train(self, publish: Publish = silent, watcher: RunWatcher | None = None) -> Outcome:
        """See :meth:`sanetune.engine.base.RunSession.train`."""
        if self.parts.accelerator.device.type == "cpu":
            keep_freed_memory()
        parts = copy.copy(self.parts)
        parts.collate = NumberedBatches(parts.collate)
        loop = Loop(parts, start=self._start)
        publisher = Publisher(loop, MetricsFile(self._run.metrics), publish)
        loop.stop, loop.say = Stop(publisher.note), publisher.note
        loop.stop.writes = not loop.args.eval_on_start
        log = StepLog(self._run.steps, loop.accelerator.process_index)
        with guarded(trackers.used(self._config), publisher.note) as followed:
            watched = WatchedRun(loop, watcher, log, partial(send_texts, followed))
            loop.on_rows, loop.on_step = watched.rows, watched.step
            for callback in [*self._early_stopping(), *followed, publisher, watched]:
                loop.handler.add_callback(callback)
            with PublishedEnd(publisher), quiet(), loop.stop, self._ready(), self._keeping_frozen(loop):
                fit(loop)
            seconds = loop.run_state.seconds
            with quiet():
                tuned = self._save()
        return outcome_of(
            loop,
            publisher.records,
            tuned,
            seconds=seconds,
            start=self._start,
            frozen=self.frozen,
            notes=[*self.notes, *loop.module.token_loss.report()],
        )

    def _early_stopping(self) -> list[TrainerCallback]:
        patience = getattr(self._config.train, "early_stopping_patience", None)
        if not patience or self._prepared.validation is None:
            return []
        return [EarlyStoppingCallback(early_stopping_patience=patience)]

    def _keeping_frozen(self, loop: Loop) -> AbstractContextManager[None]:
        """Keep what frozen layers make of the rows, where these come more than once."""
        documents = self.parts.token_loss
        again = loop.max_steps > loop.per_epoch or bool(loop.validation)
        if not isinstance(documents, DocumentLoss) or not again or loop.own is not None:
            return contextlib.nullcontext()
        return documents.keeping_frozen(self._run.path / f"frozen-{loop.accelerator.process_index}.states")

    @contextlib.contextmanager
    def _ready(self) -> Iterator[None]:
        """The model as it is only while it trains: with checkpointed activations, and with NEFTune's noise."""
        args, accelerator = self.parts.args, self.parts.accelerator
        if args.activation_checkpointing:
            self.set_activation_checkpointing(True)
        noise = args.neftune_noise_alpha
        handle = activate_neftune(self.model, noise, accelerator) if noise is not None else None
        try:
            yield
        finally:
            if handle is not None:
                deactivate_neftune(self.model, handle, accelerator)
            accelerator.free_memory()

    def _save(self) -> PreTrainedModel | None:
        """Write the tuned model. None beside the main process."""
        tuned, main = None, bool(self.parts.accelerator.is_main_process)
        model: PreTrainedModel | None = self.model
        if self.parts.accelerator.is_fsdp2:
            model = whole_copy(self.model, self._config, self._prepared, self.parts.args, main=main)
        if main and model is not None:
            tuned = save_model(
                model,
                self._prepared.tokenizer,
                self._run,
                stop_token_ids=list(getattr(self._prepared, "stop_token_ids", None) or []),
                reload_base=lambda: unquantised(self._config.model, self._prepared),
            )
        self.parts.accelerator.wait_for_everyone()
        return tuned

    # ---- parts of it, for probes ----

    def train_batches(self) -> Batches:
        """See :meth:`sanetune.engine.base.Session.train_batches`."""
        parts = self.parts
        batches: Batches = parts.accelerator.prepare_data_loader(train_loader(parts.train, parts.collate, parts.args))
        return batches

    def collate(self, rows: Sequence[Row]) -> Batch:
        """See :meth:`sanetune.engine.base.Session.collate`."""
        return self.parts.collate(rows)

    def token_losses(self, batch: Batch) -> Tensor:
        """See :meth:`sanetune.engine.base.Session.token_losses`."""
        with self.parts.accelerator.autocast():
            return loss.token_losses(self.model, batch)

    def forward_backward_step(self, batches: Sequence[Batch], *, label_smoothing: bool = True) -> float:
        """See :meth:`sanetune.engine.base.Session.forward_backward_step`. Labels are never smoothed."""
        accelerator = self.parts.accelerator
        module = LossModule(self.model, self.parts.token_loss, Hooks())
        tokens = max(1, sum(map(loss_token_count, batches)))
        module.train()
        total = 0.0
        with module.token_loss.step():
            for batch in batches:
                with accelerator.autocast():
                    mean = module(batch)[LOSS] / tokens
                if mean.requires_grad:
                    accelerator.backward(mean)
                total += float(mean.detach())
        if accelerator.scaler is not None:
            for weight in self.model.parameters():
                if weight.requires_grad and weight.grad is not None:
                    weight.grad.div_(accelerator.scaler.get_scale())
        return total

    def evaluate(self, batch: Batch) -> Measured:
        """See :meth:`sanetune.engine.base.Session.evaluate`."""
        module = LossModule(self.model, self.parts.token_loss, Hooks())
        with torch.no_grad(), self.parts.accelerator.autocast(), module.token_loss.step():
            total, tokens = module.token_loss(batch)
        return Measured.of(float(total), int(tokens))

    @contextlib.contextmanager
    def optimizer(self) -> Iterator[torch.optim.Optimizer]:
        """See :meth:`sanetune.engine.base.Session.optimizer`."""
        yield make_optimizer(self.model, self.parts.args)

    def train_briefly(self, run: ShortRun, watcher: StepWatcher) -> None:
        """See :meth:`sanetune.engine.base.Session.train_briefly`."""
        parts = copy.copy(self.parts)
        parts.args = args = copy.copy(parts.args)
        args.max_steps, args.warmup_steps = run.steps, run.warmup_steps
        args.logging_steps, args.logging_strategy = 1, IntervalStrategy.STEPS
        args.eval_strategy, args.save_strategy = IntervalStrategy.NO, SaveStrategy.NO
        args.load_best_model_at_end = args.eval_on_start = False
        if run.rows is not None:
            parts.train = parts.train.select(run.rows)
        watched = WatchedSteps(watcher, parts.tokenizer.pad_token_id)
        with quiet(), self._ready():
            loop = Loop(parts, [watched], schedule_steps=run.total_steps)
            loop.on_batches = watched.batches
            fit(loop)

    def epoch_rows(self) -> list[list[int]] | None:
        """See :meth:`sanetune.engine.base.RunSession.epoch_rows`."""
        if self.parts.hooks.batches is not None:
            return None
        sampler, rows = getattr(self.train_batches(), "batch_sampler", None), len(self.parts.train)
        return None if sampler is None else [[int(row) for row in batch if row < rows] for batch in sampler]

    def write_weights(self, folder: Path) -> bool:
        """See :meth:`sanetune.engine.base.RunSession.write_weights`."""
        accelerator, weights = self.parts.accelerator, None
        if accelerator.is_fsdp2:
            weights = sharding.whole_weights(self.model, main=bool(accelerator.is_main_process))
        if accelerator.is_main_process:
            loop_checkpoints.write_weights(self.model, folder, weights)
        accelerator.wait_for_everyone()
        return True

    def detached_copy(self) -> PreTrainedModel:
        """See :meth:`sanetune.engine.base.Session.detached_copy`."""
        return copy.deepcopy(self.model).to("cpu")
