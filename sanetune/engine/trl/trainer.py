"""TRL's SFTTrainer with exact validation, whole checkpoints, and a resume that repeats the same run.

Each override says which behaviour of TRL 1.16 or transformers 5.23 it corrects.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sized
from pathlib import Path
from typing import NoReturn

import datasets
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Sampler
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_pt_utils import LabelSmoother
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTTrainer

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.adapters import base_of
from sanetune.engine.batches import NUMBER, Batch, real_token_count, take_numbers, take_row_numbers
from sanetune.engine.owed import note_best_checkpoint
from sanetune.engine.row_groups import RowGroups
from sanetune.engine.run_state import RunState
from sanetune.engine.sampler import LengthGrouped, with_blank_rows
from sanetune.engine.signals import EvaluationStoppedError, Stop
from sanetune.engine.trl.hub import ForgivingHub
from sanetune.engine.trl.logits import keep_logits
from sanetune.engine.trl.sharded import Sharded
from sanetune.engine.trl.whole_checkpoints import WholeCheckpoints
from sanetune.engine.trl.within_memory import WithinMemory
from sanetune.engine.validation_sets import by_source, losses_of


class Trainer(WithinMemory, WholeCheckpoints, Sharded, ForgivingHub, SFTTrainer):
    """Trains on rows that are ready: ``input_ids``, ``labels``, and ``seq_lengths`` where packed."""

    def __init__(self, *args: object, fingerprint: str = "", **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.remove_callback(PrinterCallback)
        # TRL's loss always divides by the tokens of the effective batch, also where the model's forward has no
        # **kwargs.
        self.model_accepts_loss_kwargs = True
        self._loss_shifts_labels = True
        self.halves, self.args.auto_find_batch_size = bool(self.args.auto_find_batch_size), False
        self.stop = Stop()
        self.idle_seconds = 0.0
        self.run_state = RunState(fingerprint)
        self.fills_up = True
        """Whether the last step of several processes is filled up with blank rows."""
        self.validation_sets: dict[str, list[int]] = {}
        """Numbers of the validation rows of each source, where there are several."""
        self.schedule_steps: int | None = None
        """Steps that the schedule spans; None: those that are made."""
        self.on_batches: Callable[[list[Batch], float], None] | None = None
        """Called with the micro-batches of each step and the seconds that the dataloader took for them."""
        self.on_rows: Callable[[list[Tensor]], None] | None = None
        """Called with the numbers of the rows of each step, a tensor for each micro-batch, where batches have them."""
        self.on_step: Callable[[Tensor | float | None, float | None], None] | None = None
        """Called after each step with its gradient norm and learning rate, before anything of it is logged."""
        self.step_loss = torch.zeros((), device=self.args.device)
        """The loss of this process since it was last set to zero, in nats per token in the loss."""
        self.ended_by: Exception | None = None
        """Raised once the loop is over, instead of making its result."""
        self._alone = False
        self._pad = self._tokenizer.pad_token_id
        self._unread = torch.zeros(2, dtype=torch.long, device=self.args.device)
        if self.args.device.type == "cpu":
            keep_logits(base_of(self.model))

    def _send_telemetry(self) -> None:
        """TRL tells the Hub the model's architecture and some settings of every trainer; a check tells nobody."""

    # ---- which rows, and what of them ----

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["input_ids", "labels", "seq_lengths", NUMBER, self.args.length_column_name]

    def _get_train_sampler(self, train_dataset: datasets.Dataset | None = None) -> Sampler[int] | None:
        """Grouping by length draws from the seed and the epoch, not from the global random state (see
        LengthGrouped)."""
        rows = self.train_dataset if train_dataset is None else train_dataset
        if self.args.train_sampling_strategy != "group_by_length" or "length" not in rows.column_names:
            sampler: Sampler[int] | None = super()._get_train_sampler(train_dataset)
            return sampler
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        together = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return LengthGrouped(list(rows["length"]), together, seed)

    def _get_dataloader(
        self,
        dataset: datasets.Dataset,
        description: str,
        batch_size: int,
        sampler_fn: Callable[[datasets.Dataset], Sampler[int] | None] | None = None,
        is_training: bool = False,
        dataloader_key: str | None = None,
    ) -> DataLoader[Batch]:
        """Fill up the last step of several processes with blank rows: accelerate gives out real ones again."""
        if is_training and self.fills_up and sampler_fn is not None and (order := sampler_fn(dataset)) is not None:
            dataset, filled = with_blank_rows(dataset, order, self.args)
            sampler_fn = lambda rows: filled  # noqa: E731
        loader: DataLoader[Batch] = super()._get_dataloader(
            dataset, description, batch_size, sampler_fn, is_training, dataloader_key
        )
        return loader

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], Tensor | int | None]:
        """Count the tokens of each step: all of them (no padding), and those in the loss."""
        began = time.perf_counter()
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        for batch in batches:
            in_loss = (batch["labels"][..., 1:] != IGNORE_INDEX).sum()
            counts = torch.stack([real_token_count(batch, self._pad), in_loss])
            self._unread += counts.to(self._unread.device)
        numbers = take_numbers(batches)
        self.step_batches, self.step_rows = batches, numbers
        if self.on_rows is not None:
            self.on_rows(numbers)
        if self.on_batches is not None:
            self.on_batches(batches, time.perf_counter() - began)
        return batches, items

    def training_step(self, model: nn.Module, inputs: Batch, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Also keep the loss: transformers has the sum of all steps since the last record alone."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.step_loss += loss.detach().to(self.step_loss.device)
        return loss

    # ---- validation ----

    def evaluation_loop(
        self,
        dataloader: DataLoader[Batch],
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Compute the loss per token in the loss over all rows. transformers takes the mean of the batches' means
        instead, which depends on how rows are batched; TRL adds a mixture's balancing loss to it."""
        model = self._wrap_model(self.model, training=False)
        if len(self.accelerator._models) == 0 and model is self.model:
            model = self.accelerator.prepare_model(model, evaluation_mode=True)
        model.eval()
        self.callback_handler.eval_dataloader = dataloader
        loaders = {"": dataloader}
        if self.validation_sets:
            some = by_source(self.eval_dataset, self.validation_sets, self.args)
            loaders = {name: self.get_eval_dataloader(rows) for name, rows in some.items()}
        with self.off_the_clock():
            here = {name: self._row_groups(model, loader) for name, loader in loaders.items()}
            [correct] = self.over_processes([sum(right for _, right in here.values())])
            groups = {name: some.over(self.over_processes) for name, (some, _) in here.items()}
        self.row_groups = RowGroups.together(list(groups.values()))
        tokens = self.row_groups.count
        rows: Sized = dataloader.dataset  # type: ignore[assignment]
        metrics = losses_of(groups, metric_key_prefix)
        metrics |= {
            f"{metric_key_prefix}_mean_token_accuracy": correct / tokens if tokens else float("nan"),
            f"{metric_key_prefix}_loss_tokens": int(tokens),
        }
        return EvalLoopOutput(predictions=None, label_ids=None, metrics=metrics, num_samples=len(rows))

    def _row_groups(self, model: nn.Module, loader: DataLoader[Batch]) -> tuple[RowGroups, float]:
        """The losses of the rows of this process, and how many of their tokens are predicted rightly."""
        groups, correct = RowGroups(), 0.0
        for inputs in loader:
            if self.stop_agreed():
                raise EvaluationStoppedError
            numbers = take_row_numbers(inputs)
            losses, right, tokens = self.rows_within_memory(model, self._prepare_inputs(inputs)).T.tolist()
            groups.add(numbers, losses, tokens)
            correct += sum(right)
            self.callback_handler.on_prediction_step(self.args, self.state, self.control)
        return groups, correct

    def row_losses(self, model: nn.Module, inputs: Batch) -> Tensor:
        """See :meth:`WithinMemory.row_losses`."""
        with torch.no_grad(), self.compute_loss_context_manager():
            out = model(**inputs, fused_lm_head=True, use_cache=False)
        parts = (-out.log_probs, out.is_top1, out.label_mask)
        return torch.stack([some.cpu().double().sum(dim=1) for some in parts], dim=1)

    # ---- parts of a run, for probes ----

    def compute_loss_context_manager(self) -> contextlib.ExitStack:
        """The run's precision also before ``train``, which puts autocast around the model's own forward."""
        stack: contextlib.ExitStack = super().compute_loss_context_manager()
        if not hasattr(self.model, "_original_forward"):
            stack.enter_context(self.accelerator.autocast())
        return stack

    @contextlib.contextmanager
    def alone(self, micro_batches: int, *, label_smoothing: bool) -> Iterator[None]:
        """Let ``training_step`` take gradients over ``micro_batches`` that all processes have alike, so that their sum
        is not scaled for several processes, and let a loss that depends on no trained weight leave none."""
        averaged: bool = self.args.average_tokens_across_devices
        smoother: LabelSmoother | None = self.label_smoother  # type: ignore[has-type]
        self.current_gradient_accumulation_steps = micro_batches
        self.args.average_tokens_across_devices, self._alone = False, True
        if not label_smoothing:
            self.label_smoother = None
        try:
            yield
        finally:
            self.args.average_tokens_across_devices, self.label_smoother = averaged, smoother
            self._alone = False

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, object]:
        """TRL's loss. torch calls a backward pass that leads nowhere an error, so :meth:`alone` gives it an end."""
        found: Tensor | tuple[Tensor, object] = super().compute_loss(
            model, inputs, return_outputs=return_outputs, num_items_in_batch=num_items_in_batch
        )
        if self._alone and isinstance(found, Tensor) and not found.requires_grad:
            return found + torch.zeros((), device=found.device, requires_grad=True)
        return found

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LRScheduler:
        """Let the schedule span ``schedule_steps`` where fewer are made."""
        steps = max(self.schedule_steps or 0, num_training_steps)
        scheduler: LRScheduler = super().create_scheduler(steps, optimizer)
        return scheduler

    def load_weights(self, checkpoint: Path) -> None:
        """Give the model the weights of ``checkpoint``."""
        self._load_from_checkpoint(str(checkpoint))

    # ---- stopping ----

    def _maybe_log_save_evaluate(
        self, tr_loss: Tensor, grad_norm: Tensor | float | None, model: nn.Module, *args: object, **kwargs: float | None
    ) -> None:
        if self.on_step is not None:
            self.on_step(grad_norm, kwargs.get("learning_rate"))
        try:
            super()._maybe_log_save_evaluate(tr_loss, grad_norm, model, *args, **kwargs)
        except EvaluationStoppedError:
            self.control.should_training_stop = True
            self._save_checkpoint(model, None)
        if self._globalstep_last_logged == self.state.global_step:
            # transformers resets by subtracting the value from itself: one NaN would stay for all later records.
            tr_loss.zero_()

    def _evaluate(
        self, trial: object, ignore_keys_for_eval: list[str] | None, skip_scheduler: bool = False
    ) -> dict[str, float]:
        """End a run that is stopped in the evaluation ahead of its first step, with no checkpoint: transformers calls
        that one (``skip_scheduler``) outside of :meth:`_maybe_log_save_evaluate`."""
        try:
            metrics: dict[str, float] = super()._evaluate(trial, ignore_keys_for_eval, skip_scheduler)
        except EvaluationStoppedError:
            if skip_scheduler:
                self._end_stopped()
            raise
        if skip_scheduler:
            if self.state.global_step:
                self._determine_best_metric(metrics, trial)
                note_best_checkpoint(self.args, self.state)
            if self.stop_agreed():
                self._end_stopped()
            self.stop.writes = True
        return metrics

    def _run_epoch(self, *args: object, **kwargs: object) -> None:
        """Make no step beyond the last one: transformers makes one more where it resumes at it inside an epoch."""
        if self.state.global_step >= self.state.max_steps or self.control.should_training_stop:
            self.control.should_training_stop = True
            return
        super()._run_epoch(*args, **kwargs)

    def _finalize_training(self, *args: object, **kwargs: object) -> object:
        """A stopped run ends here, without loading the best checkpoint back."""
        if self.stop_agreed() or self.ended_by is not None:
            self._end_stopped()
        return super()._finalize_training(*args, **kwargs)

    def _end_stopped(self) -> NoReturn:
        self.callback_handler.on_train_end(self.args, self.state, self.control)
        raise self.ended_by or self.stop.error
