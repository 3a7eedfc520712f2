"""The steps of a whole run, one by one: into the step log, and to whoever watches and may end the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import SaveStrategy

from sanetune.curves.logs.entries import evaluation, set_evaluations
from sanetune.curves.series import Evaluation, Point
from sanetune.engine import checkpoints
from sanetune.engine.batches import NUMBER, Batch, Collate, Row
from sanetune.engine.followed_loop import FollowedLoop
from sanetune.engine.row_groups import evaluation_of
from sanetune.engine.step_log import LoggedStep, StepLog
from sanetune.engine.watcher import Course, RunWatcher, StoppedByWatcherError

EVERY = 5
"""Steps whose figures are read from the device together, where nobody watches; a GPU is not made to wait at each."""
COURSES = tuple(Course)


@dataclass(slots=True)
class _Step:
    """A step whose figures are still on the device; losses in nats per token in the loss."""

    step: int
    epoch: float
    lr: float | None
    loss: Tensor
    grad_norm: Tensor | float | None
    rows: list[Tensor] = field(default_factory=list)


class NumberedBatches:
    """A collator that also gives the numbers of a batch's rows, as one tensor (B) named :data:`NUMBER`."""

    def __init__(self, collate: Collate) -> None:
        self._collate = collate

    def __call__(self, rows: Sequence[Row]) -> Batch:
        batch = self._collate(rows)
        if NUMBER in rows[0]:
            batch[NUMBER] = torch.tensor([row[NUMBER] for row in rows])
        return batch


class WatchedRun(TrainerCallback):
    """Writes the step log of this process and lets the main one judge; all processes then do the same.

    Args:
        loop: Makes the run; its ``on_step`` and ``on_rows`` become this object's.
        watcher: Judges, on the main process; None: nothing is judged.
        log: Of this process.
        send: Passes texts on to the trackers, on the main process.
    """

    def __init__(
        self, loop: FollowedLoop, watcher: RunWatcher | None, log: StepLog, send: Callable[[RunWatcher], None]
    ) -> None:
        self.loop, self.watcher, self.log, self._send = loop, watcher, log, send
        self._open: list[_Step] = []
        self._rows: list[Tensor] = []
        self._lowest: Evaluation | None = None
        self._ended = False
        self._last = -1

    # ---- what the trainer calls ----

    def rows(self, numbers: list[Tensor]) -> None:
        """Take the numbers of the rows of the step that is about to be made, one tensor for each micro-batch."""
        self._rows = numbers
        watcher, coming = self.watcher, self.loop.state.global_step + 1
        if watcher is not None and watcher.ahead == coming and self.loop.is_world_process_zero():
            watcher.before([number for some in numbers for number in some.tolist()])

    def step(self, grad_norm: Tensor | float | None, lr: float | None) -> None:
        """Take the step that was just made, before anything of it is logged, evaluated or saved."""
        loop, state, control = self.loop, self.loop.state, self.loop.control
        loss = loop.step_loss.clone()
        loop.step_loss.zero_()
        if self._ended or self._last == state.global_step:
            return  # transformers asks for logs, evaluations and saves again at the end of an epoch
        self._last = state.global_step
        self._open.append(_Step(state.global_step, state.epoch or 0.0, lr, loss, grad_norm, self._rows))
        every = EVERY if self.watcher is None else self.watcher.every
        ends = state.global_step >= state.max_steps
        # Weights that are no longer numbers would only rotate a sound checkpoint away.
        control.should_save = control.should_save and self._weights_are_numbers()
        # A checkpoint and an evaluation find the log complete.
        if len(self._open) >= every or ends or control.should_save or control.should_evaluate:
            points = self._read()
            self._steer(lambda watcher: watcher.steps(points))

    # ---- what transformers calls ----

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self.log.start(state.global_step, args.world_size)
        self._last = state.global_step
        made = [found for entry in state.log_history if (found := evaluation(entry)) and math.isfinite(found.loss)]
        self._lowest = min(made, key=lambda one: one.loss, default=None)
        if self.watcher is not None and state.is_world_process_zero:
            self.watcher.begin(state.global_step)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, Any] | None = None,
        **kwargs: object,
    ) -> None:
        found = evaluation_of(self.loop, metrics)
        if found is None or self._ended:
            return
        if math.isfinite(found.loss) and (self._lowest is None or found.loss < self._lowest.loss):
            self._lowest = found
            # Its checkpoint is what a validation loss that turns goes back to. The loop itself notes it as the best,
            # which rotation spares, and with "best" saves it: noted here, it would be none that is better.
            keeps = self.watcher is not None and self.watcher.keeps
            keeps = keeps and args.save_strategy not in (SaveStrategy.NO, SaveStrategy.BEST)
            control.should_save |= keeps and 0 < found.step < state.max_steps
        sets = set_evaluations((metrics or {}) | {"step": state.global_step})
        self._steer(lambda watcher: watcher.evaluated(found, sets))

    # ---- together ----

    def _read(self) -> list[Point]:
        """Write the open steps to the log, and return them as points."""
        steps, self._open = self._open, []
        processes = self.loop.processes
        losses = self.loop.over_processes(torch.stack([one.loss for one in steps]).double().tolist())
        points, logged = [], []
        for one, total in zip(steps, losses, strict=True):
            loss, norm = total / processes, None if one.grad_norm is None else float(one.grad_norm)
            rows = tuple(number for numbers in one.rows for number in numbers.tolist())
            points.append(Point(one.step, loss, one.lr, norm, one.epoch))
            logged.append(LoggedStep(one.step, loss, math.nan if norm is None else norm, rows))
        self.log.append(logged)
        return points

    def _steer(self, judge: Callable[[RunWatcher], Course]) -> None:
        """Let the main process judge, and follow its decision on all of them."""
        course = Course.ON
        if self.watcher is not None and self.loop.is_world_process_zero():
            # Rows that are measured and answers that are written are not training.
            with self.loop.off_the_clock():
                course = judge(self.watcher)
                self._send(self.watcher)
        code = int(self.loop.over_processes([COURSES.index(course)])[0])
        if COURSES[code] is not Course.ON:
            self._end(COURSES[code])

    def _end(self, course: Course) -> None:
        loop, control = self.loop, self.loop.control
        self._ended = control.should_training_stop = True
        control.should_evaluate = False
        if course is Course.TURN:
            kept = self._turn()
        else:
            loop.ended_by = StoppedByWatcherError(loop.state.global_step)
            kept = self._stop() if course is Course.STOP else None
        if self.watcher is not None and loop.is_world_process_zero():
            self.watcher.kept(kept)

    def _turn(self) -> int | None:
        """Load the checkpoint with the lowest validation loss at the end, or the one that is nearest to it."""
        loop = self.loop
        there = [step for path in checkpoints.complete(self._folder) if (step := checkpoints.step_of(path)) is not None]
        if self._lowest is None or not there:
            return None
        low = self._lowest
        step = min(there, key=lambda one: (abs(one - low.step), one))
        loop.args.load_best_model_at_end = True
        loop.state.best_model_checkpoint = str(self._folder / f"checkpoint-{step}")
        loop.state.best_global_step, loop.state.best_metric = low.step, low.loss
        return step

    def _stop(self) -> int | None:
        """Write a checkpoint; where the weights are no numbers any more, load those of the last one instead."""
        loop = self.loop
        loop.control.should_save = sound = self._weights_are_numbers()
        if sound:
            return int(loop.state.global_step)
        last = checkpoints.latest(self._folder)
        if last is None:
            return None
        loop.load_weights(last)
        return checkpoints.step_of(last)

    def _weights_are_numbers(self) -> bool:
        weights = [one for one in self.loop.model.parameters() if one.requires_grad]
        bad = sum(not bool(torch.isfinite(weight).all()) for weight in weights)
        return self.loop.over_processes([bad])[0] == 0

    @property
    def _folder(self) -> Path:
        return Path(self.loop.args.output_dir)
