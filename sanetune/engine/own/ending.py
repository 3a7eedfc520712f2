"""End the training of somebody's own trainer early, with the checkpoint that it is left with."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sanetune.engine import checkpoints
from sanetune.engine.watcher import Course

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import nn
    from transformers import Trainer

    from sanetune.curves.series import Evaluation


def end(trainer: Trainer, course: Course, lowest: Evaluation | None, broken: int | None = None) -> int | None:
    """End training on this process; returns the step of the checkpoint that is left or loaded, if there is one.

    Args:
        trainer: Somebody's own, between two of its steps.
        course: ``stop`` or ``turn``.
        lowest: The lowest evaluation, whose checkpoint a turn goes back to.
        broken: The step from which on losses are no numbers, on the main process; None: there is none.
    """
    state, control, folder = trainer.state, trainer.control, Path(trainer.args.output_dir)
    control.should_training_stop, control.should_evaluate = True, False
    if course is Course.STOP:
        control.should_save = weights_are_numbers(trainer)
        return int(state.global_step) if control.should_save else _last_sound(trainer, folder, broken)
    there = [step for path in checkpoints.complete(folder) if (step := checkpoints.step_of(path)) is not None]
    if lowest is None or not there:
        return None
    step = min(there, key=lambda one: (abs(one - lowest.step), one))
    trainer.args.load_best_model_at_end = True
    state.best_model_checkpoint = str(folder / f"checkpoint-{step}")
    state.best_global_step, state.best_metric = lowest.step, lowest.loss
    return step


def weights_are_numbers(trainer: Trainer) -> bool:
    """Return whether the trained weights are finite, on all processes together."""
    weights = [one for one in trainer.model.parameters() if one.requires_grad]
    bad = torch.tensor(sum(not bool(torch.isfinite(one).all()) for one in weights), device=trainer.args.device)
    return int(trainer.accelerator.reduce(bad, "sum")) == 0


def weights_put_back(trainer: Trainer, step: int) -> str:
    """Load the weights of checkpoint ``step`` where the trained ones are no numbers.

    Returns:
        The name of the checkpoint whose weights the model has then; empty where that cannot be done.
    """
    if not weights_are_numbers(trainer):
        if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
            return ""
        trainer._load_from_checkpoint(str(Path(trainer.args.output_dir) / f"checkpoint-{step}"))
        return f"checkpoint-{step}"
    best = trainer.state.best_model_checkpoint  # The trainer has loaded it itself.
    return Path(best).name if best else ""


def _last_sound(trainer: Trainer, folder: Path, broken: int | None) -> int | None:
    """The step of the newest whole checkpoint from before ``broken`` whose weights are numbers; the main process
    looks."""
    found = 0
    if trainer.is_world_process_zero():
        fixed = _fixed(trainer.model)
        for path in reversed(checkpoints.complete(folder)):
            step = checkpoints.step_of(path) or 0
            if step < (math.inf if broken is None else broken) and has_numbers(path, fixed):
                found = step
                break
    found = int(trainer.accelerator.reduce(torch.tensor(found, device=trainer.args.device), "sum"))
    return found or None


def _fixed(model: nn.Module) -> set[str]:
    """Names of tensors that training does not move."""
    frozen = {name for name, one in model.named_parameters() if not one.requires_grad}
    return frozen | {name for name, _ in model.named_buffers()}


def has_numbers(checkpoint: Path, fixed: Collection[str] = ()) -> bool:
    """Return whether all weights in a checkpoint's safetensors are finite, but for those named in ``fixed``. What FSDP
    and DeepSpeed keep in files of their own is not read."""
    from safetensors import safe_open

    for file in sorted(checkpoint.rglob("*model*.safetensors")):
        with safe_open(str(file), "pt") as stored:
            for name in stored.keys():  # noqa: SIM118 -- it cannot be iterated itself
                # Stored in a byte each, weights are compressed ones, which are not trained.
                if name in fixed or (weight := stored.get_tensor(name)).element_size() == 1:
                    continue
                if not bool(torch.isfinite(weight).all()):
                    return False
    return True
