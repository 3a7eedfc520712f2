"""End the training of somebody's own trainer early, with the checkpoint that it is left with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sanetune.engine import checkpoints
from sanetune.engine.watcher import Course

if TYPE_CHECKING:
    from transformers import Trainer

    from sanetune.curves.series import Evaluation


def end(trainer: Trainer, course: Course, lowest: Evaluation | None) -> int | None:
    """End training on this process; returns the step of the checkpoint that is left or loaded, if there is one."""
    state, control, folder = trainer.state, trainer.control, Path(trainer.args.output_dir)
    control.should_training_stop, control.should_evaluate = True, False
    there = [step for path in checkpoints.complete(folder) if (step := checkpoints.step_of(path)) is not None]
    if course is Course.STOP:
        weights = [one for one in trainer.model.parameters() if one.requires_grad]
        bad = torch.tensor(sum(not bool(torch.isfinite(one).all()) for one in weights), device=trainer.args.device)
        control.should_save = int(trainer.accelerator.reduce(bad, "sum")) == 0
        return int(state.global_step) if control.should_save else max(there, default=None)
    if lowest is None or not there:
        return None
    step = min(there, key=lambda one: (abs(one - lowest.step), one))
    trainer.args.load_best_model_at_end = True
    state.best_model_checkpoint = str(folder / f"checkpoint-{step}")
    state.best_global_step, state.best_metric = lowest.step, lowest.loss
    return step
