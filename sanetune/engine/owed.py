"""The evaluation that a run was stopped ahead of."""

from __future__ import annotations

from pathlib import Path

from transformers import TrainerState, TrainingArguments
from transformers.trainer_utils import IntervalStrategy

ALMOST = 1e-9
"""Epochs; the end of one is a sum of fractions."""


def evaluation_is_owed(args: TrainingArguments, state: TrainerState) -> bool:
    """Whether a run that goes on from the step in ``state`` would have been evaluated there, and was not."""
    step, epoch = state.global_step, state.epoch or 0.0
    if not step or any(one.get("step") == step and "eval_loss" in one for one in state.log_history):
        return False
    if args.eval_strategy == IntervalStrategy.STEPS:
        return bool(step >= state.max_steps or (args.eval_delay <= step and step % state.eval_steps == 0))
    if args.eval_strategy == IntervalStrategy.EPOCH:
        ends = abs(epoch - round(epoch)) < ALMOST
        return bool(step >= state.max_steps or (args.eval_delay <= epoch and ends))
    return False


def note_best_checkpoint(args: TrainingArguments, state: TrainerState) -> None:
    """Name the checkpoint that a run goes on from as the best, where its evaluation has shown that it is."""
    folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
    if state.best_global_step == state.global_step and folder.is_dir():
        state.best_model_checkpoint = str(folder)
