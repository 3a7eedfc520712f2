"""What follows on a step: a record, an evaluation, a checkpoint, the end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NoReturn

import torch
from torch import Tensor
from transformers.trainer_utils import SaveStrategy

from sanetune.engine.accelerate import loop_checkpoints
from sanetune.engine.accelerate.within_memory import validation_losses
from sanetune.engine.batches import take_row_numbers
from sanetune.engine.callbacks import NAMED
from sanetune.engine.owed import note_best_checkpoint
from sanetune.engine.row_groups import RowGroups
from sanetune.engine.signals import EvaluationStoppedError
from sanetune.engine.validation_sets import losses_of
from sanetune.errors import ConfigError

if TYPE_CHECKING:
    from sanetune.engine.accelerate.loop import Loop
    from sanetune.engine.accelerate.loss_module import MicroBatchLoss
    from sanetune.engine.batches import Batches


def react(loop: Loop, norm: Tensor | float | None, lr: float | None) -> None:
    """Log, evaluate and save what the callbacks have asked for.

    Args:
        loop: It has made a step, or ended an epoch.
        norm: Norm of the gradients of the step, before clipping.
        lr: Learning rate of the step.
    """
    if loop.on_step is not None:
        loop.on_step(norm, lr)
    else:
        loop.step_loss.zero_()
    if loop.control.should_log and loop.state.global_step > loop.last_logged:
        _log(loop, norm, lr)
    try:
        if loop.control.should_evaluate:
            _note_best(loop, evaluate(loop))
    except EvaluationStoppedError:
        loop.control.should_training_stop = loop.control.should_save = True
    if loop.control.should_save:
        loop_checkpoints.save_checkpoint(loop)
        loop.control = loop.handler.on_save(loop.args, loop.state, loop.control)


def _log(loop: Loop, norm: Tensor | float | None, lr: float | None) -> None:
    steps = loop.state.global_step - loop.last_logged
    names = sorted(loop.losses)
    sums = [float(loop.open_loss), *(float(loop.losses[name]) for name in names)]
    means = [value / loop.processes / steps for value in loop.over_processes(sums)]
    logs = {"loss": means[0]}
    if norm is not None:
        logs["grad_norm"] = float(norm)
    if lr is not None:
        logs["learning_rate"] = lr
    if loop.parts.hooks.loss_fn is not None:
        logs |= {f"{NAMED}{name}": mean for name, mean in zip(names, means[1:], strict=True)}
    loop.open_loss.zero_()
    loop.losses = {}
    loop.last_logged = loop.state.global_step
    _publish(loop, logs)


def _publish(loop: Loop, logs: dict[str, float]) -> None:
    logs["epoch"] = loop.state.epoch or 0.0
    loop.state.log_history.append(logs | {"step": loop.state.global_step})
    loop.control = loop.handler.on_log(loop.args, loop.state, loop.control, logs)


def row_groups(loop: Loop, batches: Batches, token_loss: MicroBatchLoss) -> RowGroups:
    """Return the losses of all validation rows of this process.

    Raises:
        EvaluationStoppedError: A signal came.
    """
    groups = RowGroups()
    with torch.no_grad(), loop.accelerator.autocast(), token_loss.step():
        for batch in batches:
            if loop.stop_agreed():
                raise EvaluationStoppedError
            groups.add(take_row_numbers(batch), *validation_losses(loop, token_loss, batch))
            loop.control = loop.handler.on_prediction_step(loop.args, loop.state, loop.control)
    return groups


def evaluate(loop: Loop) -> float:
    """Measure and publish the loss per token in the loss over all validation rows, which is returned, and over those
    of each source."""
    loop.model.eval()
    loop.optimizer.eval()
    with loop.off_the_clock():
        here = {name: row_groups(loop, rows, loop.module.token_loss) for name, rows in loop.validation.items()}
        by_name = {name: groups.over(loop.over_processes) for name, groups in here.items()}
    loop.optimizer.train()
    loop.row_groups = RowGroups.together(list(by_name.values()))
    metrics = losses_of(by_name)
    metrics["eval_loss_tokens"] = loop.row_groups.count
    _publish(loop, dict(metrics))
    loop.control = loop.handler.on_evaluate(loop.args, loop.state, loop.control, metrics)
    return metrics["eval_loss"]


def evaluate_first(loop: Loop) -> None:
    """Measure the weights that the run begins or goes on with; a stop in it leaves no checkpoint."""
    try:
        loss = evaluate(loop)
        if loop.state.global_step:
            _note_best(loop, loss)
            note_best_checkpoint(loop.args, loop.state)
    except EvaluationStoppedError:
        _end_stopped(loop)
    if loop.stop_agreed():
        _end_stopped(loop)
    loop.stop.writes = True


def _note_best(loop: Loop, loss: float) -> None:
    state, strategy = loop.state, loop.args.save_strategy
    better = state.best_metric is None or loss < state.best_metric
    if better and math.isfinite(loss):
        state.best_metric = loss
        if strategy != SaveStrategy.NO:
            state.best_global_step = state.global_step
    if strategy == SaveStrategy.BEST:
        loop.control.should_save = better


def end(loop: Loop) -> None:
    """End a stopped run as such; otherwise load the best weights where they are kept, and let callbacks end."""
    if loop.stop_agreed() or loop.ended_by is not None:
        _end_stopped(loop)
    loop_checkpoints.load_best(loop)
    loop.control = loop.handler.on_train_end(loop.args, loop.state, loop.control)


def end_without_batches(loop: Loop, drawn: int) -> NoReturn:
    """End a run whose own micro-batches are over before its last step.

    Args:
        loop: It has no whole step left.
        drawn: Micro-batches that this process has drawn since the run began, those of steps before a resume included.

    Raises:
        ConfigError: Always.
    """
    made, wanted = loop.state.global_step, loop.max_steps
    loop.ended_by = ConfigError(
        f"Hooks.batches ended after {drawn} micro-batches: enough for {made} of {wanted} steps "
        f"(train.gradient_accumulation_steps: {loop.args.gradient_accumulation_steps}).",
        "A generator gives its batches once; the schedule was made for all steps.",
        "Give batches that can be begun again, such as a list, or more of them, or set train.max_steps to what "
        "they suffice for.",
    )
    _end_stopped(loop)


def _end_stopped(loop: Loop) -> NoReturn:
    loop.handler.on_train_end(loop.args, loop.state, loop.control)
    raise loop.ended_by or loop.stop.error
