"""A session of TRL's trainer: the whole run, and the parts of it that probes need."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import EarlyStoppingCallback, PreTrainedModel, TrainerCallback

from sanetune.engine import loss, trackers, zero
from sanetune.engine.adapters import Frozen, base_of
from sanetune.engine.base import Outcome, RunSession, ShortRun, StepWatcher
from sanetune.engine.batches import Batch, Batches, Row, loss_token_count
from sanetune.engine.building import unquantised, whole_copy
from sanetune.engine.callbacks import PublishedEnd, Publisher
from sanetune.engine.finishing import outcome_of
from sanetune.engine.guarded_tracker import GuardedTracker, guarded, send_texts
from sanetune.engine.library_logs import quiet
from sanetune.engine.loop_settings import loop_settings
from sanetune.engine.loss import Measured
from sanetune.engine.metrics import MetricsFile
from sanetune.engine.save import save_model
from sanetune.engine.signals import Stop
from sanetune.engine.step_log import StepLog
from sanetune.engine.trl.short_run import shortened
from sanetune.engine.trl.trainer import Trainer
from sanetune.engine.watched_run import NumberedBatches, WatchedRun
from sanetune.engine.watched_steps import WatchedSteps
from sanetune.events import Publish, silent
from sanetune.runs import Run

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.engine.watcher import RunWatcher


class TrlSession(RunSession):
    """See :class:`sanetune.engine.base.RunSession`."""

    def __init__(
        self,
        trainer: Trainer,
        config: Config,
        prepared: Prepared,
        run: Run,
        frozen: Frozen,
        notes: list[str],
        start: Path | None,
    ) -> None:
        self.trainer, self.frozen, self.notes = trainer, frozen, notes
        self.settings = loop_settings(trainer.args)
        self._config, self._prepared, self._run, self._start = config, prepared, run, start

    @property
    def model(self) -> PreTrainedModel:  # type: ignore[override]
        """The model as it trains."""
        return self.trainer.model

    @property
    def whole_model(self) -> PreTrainedModel | None:
        """See :attr:`sanetune.engine.base.Session.whole_model`."""
        return None if self.trainer.is_divided else self.trainer.model

    # ---- a run ----

    def train(self, publish: Publish = silent, watcher: RunWatcher | None = None) -> Outcome:
        """See :meth:`sanetune.engine.base.RunSession.train`."""
        trainer = self.trainer
        publisher = Publisher(trainer, MetricsFile(self._run.metrics), publish)
        trainer.stop = Stop(publisher.note)
        trainer.stop.writes = not trainer.args.eval_on_start
        trainer.say = publisher.note
        with guarded(trackers.used(self._config), publisher.note) as followed:
            watched = self._watched(watcher, followed)
            for callback in [*self._early_stopping(), *followed, publisher, watched]:
                trainer.add_callback(callback)
            with PublishedEnd(publisher), quiet(), trainer.stop:
                trainer.train(resume_from_checkpoint=None if self._start is None else str(self._start))
            seconds = trainer.run_state.seconds
            with quiet():
                tuned = self._save()
        return outcome_of(
            trainer,
            publisher.records,
            tuned,
            seconds=seconds,
            start=self._start,
            frozen=self.frozen,
            notes=self.notes,
        )

    def _watched(self, watcher: RunWatcher | None, followed: Sequence[GuardedTracker]) -> WatchedRun:
        """What logs each step with its rows, and lets ``watcher`` judge it."""
        trainer = self.trainer
        log = StepLog(self._run.steps, trainer.accelerator.process_index)
        watched = WatchedRun(trainer, watcher, log, partial(send_texts, followed))
        trainer.on_rows, trainer.on_step = watched.rows, watched.step
        trainer.data_collator = NumberedBatches(trainer.data_collator)
        return watched

    def _early_stopping(self) -> list[TrainerCallback]:
        patience = getattr(self._config.train, "early_stopping_patience", None)
        if not patience or self._prepared.validation is None:
            return []
        return [EarlyStoppingCallback(early_stopping_patience=patience)]

    def _save(self) -> PreTrainedModel | None:
        """Write the tuned model; returns it without the wrappers of training. None beside the main process."""
        trainer, prepared = self.trainer, self._prepared
        if trainer.is_deepspeed_enabled:
            zero.leave()
        main = bool(trainer.is_world_process_zero())
        model = None
        if trainer.is_divided:
            model = whole_copy(trainer.model, self._config, prepared, trainer.args, main=main)
        elif main:
            model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
            _unbind(model)
        tuned = None
        if model is not None:
            tuned = save_model(
                model,
                prepared.tokenizer,
                self._run,
                stop_token_ids=list(getattr(prepared, "stop_token_ids", None) or []),
                reload_base=lambda: unquantised(self._config.model, prepared),
            )
        trainer.accelerator.wait_for_everyone()
        return tuned

    # ---- parts of it, for probes ----

    def train_batches(self) -> Batches:
        """See :meth:`sanetune.engine.base.Session.train_batches`."""
        batches: Batches = self.trainer.get_train_dataloader()
        return batches

    def collate(self, rows: Sequence[Row]) -> Batch:
        """See :meth:`sanetune.engine.base.Session.collate`."""
        batch: Batch = self.trainer.data_collator(rows)
        return batch

    def token_losses(self, batch: Batch) -> Tensor:
        """See :meth:`sanetune.engine.base.Session.token_losses`."""
        # TRL's fused head gives no logits unless it is asked not to be used.
        with self.trainer.compute_loss_context_manager():
            return loss.token_losses(self.model, batch)

    def forward_backward_step(self, batches: Sequence[Batch], *, label_smoothing: bool = True) -> float:
        """See :meth:`sanetune.engine.base.Session.forward_backward_step`."""
        trainer, model = self.trainer, self.model
        tokens = torch.tensor(sum(map(loss_token_count, batches)), device=next(model.parameters()).device)
        with trainer.alone(len(batches), label_smoothing=label_smoothing):
            parts = (trainer.training_step(model, dict(batch), num_items_in_batch=tokens) for batch in batches)
            total = sum(float(part.detach()) for part in parts)
        if (scaler := getattr(trainer.accelerator, "scaler", None)) is not None:
            for weight in model.parameters():
                if weight.requires_grad and weight.grad is not None:
                    weight.grad.div_(scaler.get_scale())
        return total

    def evaluate(self, batch: Batch) -> Measured:
        """See :meth:`sanetune.engine.base.Session.evaluate`."""
        total, _, tokens = self.trainer.row_losses(self.model, batch).sum(dim=0).tolist()
        return Measured.of(total, int(tokens))

    @contextlib.contextmanager
    def optimizer(self) -> Iterator[torch.optim.Optimizer]:
        """See :meth:`sanetune.engine.base.Session.optimizer`."""
        try:
            yield self.trainer.create_optimizer()
        finally:
            self.trainer.optimizer = None

    def train_briefly(self, run: ShortRun, watcher: StepWatcher) -> None:
        """See :meth:`sanetune.engine.base.Session.train_briefly`."""
        trainer = self.trainer
        watched = WatchedSteps(watcher, self._prepared.tokenizer.pad_token_id)
        with shortened(trainer, run), quiet():
            trainer.add_callback(watched)
            trainer.on_batches = watched.batches
            try:
                trainer.train()
            finally:
                trainer.on_batches = None
                trainer.remove_callback(watched)

    def epoch_rows(self) -> list[list[int]] | None:
        """See :meth:`sanetune.engine.base.RunSession.epoch_rows`."""
        sampler, rows = getattr(self.train_batches(), "batch_sampler", None), len(self.trainer.train_dataset)
        return None if sampler is None else [[int(row) for row in batch if row < rows] for batch in sampler]

    def write_weights(self, folder: Path) -> bool:
        """See :meth:`sanetune.engine.base.RunSession.write_weights`."""
        self.trainer.save_model(str(folder), _internal_call=True)
        return True

    def detached_copy(self) -> PreTrainedModel:
        """See :meth:`sanetune.engine.base.Session.detached_copy`."""
        copied = copy.deepcopy(self.model).to("cpu")
        copied.__dict__.pop("forward", None)  # accelerate's, with its autocast
        _unbind(copied)
        return copied


def _unbind(model: PreTrainedModel) -> None:
    """TRL's fused head is bound to the instance; the class's own forward comes back without it."""
    base_of(model).__dict__.pop("forward", None)
