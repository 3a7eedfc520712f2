"""The training loop: :func:`fit` makes the steps of a run, :class:`Loop` has what it makes them with.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import contextlib
import math
import operator
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

from accelerate import skip_first_batches
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor
from transformers import TrainerCallback
from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback

from sanetune.engine import sharding
from sanetune.engine.accelerate import loop_checkpoints, reactions
from sanetune.engine.accelerate.dataloaders import train_loader, validation_loader
from sanetune.engine.accelerate.followed import Followed
from sanetune.engine.accelerate.gradients import GradientSum
from sanetune.engine.accelerate.loss_module import LossModule
from sanetune.engine.accelerate.optimizers import make_optimizer, make_schedule
from sanetune.engine.accelerate.own_batches import OwnBatches
from sanetune.engine.accelerate.parts import Parts
from sanetune.engine.accelerate.within_memory import add_gradients
from sanetune.engine.batches import Batch, take_numbers


def fit(loop: Loop) -> None:
    """Make the steps of a run.

    The loss of a step is the sum over the tokens in the loss of all its micro-batches, on all processes, divided by
    their number: accumulation and devices change nothing about it.
    """
    loop.begin()
    for epoch in loop.epochs():
        for batches in loop.steps(epoch):
            counts = loop.counts(batches)
            loop.module.train()
            add_gradients(loop, batches, counts)
            loop.gradients.combine()
            if loop.parts.hooks.on_gradients is not None:
                loop.parts.hooks.on_gradients(loop.model)
            norm = loop.accelerator.clip_grad_norm_(loop.model.parameters(), loop.args.max_grad_norm or math.inf)
            lr = float(loop.schedule.get_last_lr()[0])
            loop.optimizer.step()
            if not loop.accelerator.optimizer_step_was_skipped:
                loop.schedule.step()
            loop.optimizer.zero_grad()
            loop.stepped(norm, lr)
            if loop.control.should_training_stop:
                break
        loop.epoch_ended()
        if loop.control.should_training_stop:
            break
    loop.end()


class Loop(Followed):
    """A run that is about to be made, or the first steps of one.

    Args:
        parts: Model, rows and settings.
        callbacks: Follow the run, behind transformers' own flow of logs, evaluations and checkpoints.
        schedule_steps: Steps that the schedule spans; None: those that are made.
        start: The checkpoint to go on from.
    """

    def __init__(
        self,
        parts: Parts,
        callbacks: Sequence[TrainerCallback] = (),
        *,
        schedule_steps: int | None = None,
        start: Path | None = None,
    ) -> None:
        super().__init__(parts)
        self.start = start
        args, accelerator = parts.args, parts.accelerator
        self.loader = accelerator.prepare_data_loader(train_loader(parts.train, parts.collate, args))
        self.validation = {
            name: accelerator.prepare_data_loader(validation_loader(rows, parts.collate, args))
            for name, rows in parts.validation.items()
        }
        self.own = None if parts.hooks.batches is None else OwnBatches(parts.hooks.batches, accelerator.device)
        self.per_epoch = max(1, math.ceil(len(self.loader) / args.gradient_accumulation_steps))
        self.max_steps = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * self.per_epoch)
        self.module = LossModule(parts.model, parts.token_loss, parts.hooks)
        self.wrapped, self.optimizer = self._prepared()
        self.schedule = make_schedule(self.optimizer, args, max(schedule_steps or 0, self.max_steps))
        self.gradients = GradientSum(parts.model, accelerator, parts.hooks)
        self.handler = CallbackHandler(
            [DefaultFlowCallback(), *callbacks], parts.model, parts.tokenizer, self.optimizer, self.schedule
        )

    def _prepared(self) -> tuple[LossModule, AcceleratedOptimizer]:
        model, optimizer = self.parts.model, make_optimizer(self.parts.model, self.args)
        wrapped, prepared = self.module, optimizer
        if not self.sharded:
            wrapped, prepared = self.accelerator.prepare(self.module, optimizer)
        elif sharding.is_sharded(model):
            prepared = self.accelerator.prepare_optimizer(optimizer)
        else:
            # In place, where the model's own layers are what is gathered.
            sharding.share_weights(self.accelerator, model)
            _, prepared = self.accelerator.prepare(model, optimizer)
        return wrapped, prepared

    # ---- what fit() asks for ----

    def begin(self) -> None:
        """Restore a checkpoint or begin anew, and measure the validation loss before the first step."""
        loop_checkpoints.begin_state(self)
        self.control = self.handler.on_train_begin(self.args, self.state, self.control)
        if self.args.eval_on_start:
            reactions.evaluate_first(self)

    def epochs(self) -> Iterator[int]:
        """Yield the numbers of the epochs that are left, from 0."""
        for epoch in range(self.state.global_step // self.per_epoch, math.ceil(self.max_steps / self.per_epoch)):
            if self.control.should_training_stop:
                return
            self.control = self.handler.on_epoch_begin(self.args, self.state, self.control)
            yield epoch

    def steps(self, epoch: int) -> Iterator[list[Batch]]:
        """Yield the micro-batches of each step that is left of an epoch."""
        done = self.state.global_step - epoch * self.per_epoch
        iterator, resumed = self._batches(epoch, done), self.start is not None
        skipping = resumed and done and self.own is None
        if resumed and not skipping:
            loop_checkpoints.restore_random_states(self)
        for _ in range(done, self.per_epoch):
            if self.state.global_step >= self.max_steps:
                return
            began = time.perf_counter()
            batches = list(islice(iterator, self.args.gradient_accumulation_steps))
            self._require_whole_step(batches)
            if not batches:
                return
            if skipping:
                # Skipping batches has drawn: from here on the draws are those of the run that was stopped.
                loop_checkpoints.restore_random_states(self)
            skipping = False
            self.count(batches)
            numbers = take_numbers(batches)
            if self.on_rows is not None:
                self.on_rows(numbers)
            if self.parts.hooks.loss_fn is None:
                taken, batches = batches, self.module.token_loss.group(batches, self.parts.tokenizer.pad_token_id)
                kept = len(taken) == len(batches) and all(map(operator.is_, taken, batches))
                numbers = numbers if kept else []
            self.step_rows = numbers
            if self.on_batches is not None:
                self.on_batches(batches, time.perf_counter() - began)
            self.control = self.handler.on_step_begin(self.args, self.state, self.control)
            yield batches
            self.start = None

    def counts(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Return how many items each loss of a step has, on all processes; at least 1."""
        here = [self.module.counts(batch) for batch in batches]
        names = sorted({name for one in here for name in one})
        total = self.over_processes([float(sum(one.get(name, 0) for one in here)) for name in names])
        return dict(zip(names, (max(1.0, number) for number in total), strict=True))

    def synchronising(self, last: bool) -> AbstractContextManager[None]:
        """Return a context in which gradients are exchanged between processes, where it is the ``last`` micro-batch."""
        if last and not self.gradients.apart:
            return contextlib.nullcontext()
        whole = self.parts.model if self.sharded else self.wrapped
        without: AbstractContextManager[None] = self.accelerator.no_sync(whole)
        return without

    def record(self, means: dict[str, Tensor]) -> None:
        """Add the losses of a micro-batch to those of the step."""
        weights = self.parts.hooks.loss_weights
        for name, mean in means.items():
            self.losses[name] = self.losses.get(name, 0) + mean
            self.step_loss += mean * weights.get(name, 1.0)

    def stepped(self, norm: Tensor | float, lr: float) -> None:
        """Log, evaluate and save where it is time to."""
        self.open_loss += self.step_loss
        self.state.global_step += 1
        self.state.epoch = self._epoch_now()
        self.control = self.handler.on_step_end(self.args, self.state, self.control)
        reactions.react(self, norm, lr)

    def epoch_ended(self) -> None:
        """The same at the end of an epoch."""
        self.control = self.handler.on_epoch_end(self.args, self.state, self.control)
        reactions.react(self, None, None)

    def end(self) -> None:
        """Load the best weights where that is asked for, or leave as a stopped run."""
        reactions.end(self)

    # ---- for followers ----

    def restore_open_loss(self) -> None:
        """See :class:`sanetune.engine.followed_loop.FollowedLoop`; :meth:`begin` has done it."""

    def load_weights(self, checkpoint: Path) -> None:
        """Give the model the weights of ``checkpoint``."""
        if self.sharded:
            sharding.load_weights(self.model, checkpoint)
        else:
            loop_checkpoints.load_weights(self.model, checkpoint)

    def _batches(self, epoch: int, done: int) -> Iterator[Batch]:
        """The micro-batches of an epoch behind its first ``done`` steps."""
        skipped = done * self.args.gradient_accumulation_steps
        if self.own is not None:
            self.own.go_on_behind(self.state.global_step * self.args.gradient_accumulation_steps)
            return self.own
        # Of several processes' batches without the first ones, accelerate no longer finds the sampler.
        self.loader.set_epoch(epoch)
        return iter(skip_first_batches(self.loader, skipped) if skipped else self.loader)

    def _require_whole_step(self, batches: Sequence[Batch]) -> None:
        """End the run where the user's own micro-batches, here or on another process, are too few for a step."""
        if self.own is None:
            return
        if self.over_processes([float(len(batches) < self.args.gradient_accumulation_steps)])[0]:
            reactions.end_without_batches(self, self.own.drawn)

    def _epoch_now(self) -> float:
        whole, steps = divmod(self.state.global_step, self.per_epoch)
        return float(whole + min(1.0, steps * self.args.gradient_accumulation_steps / len(self.loader)))
