"""A copy of a trainer that trains in its place: what it rebinds or counts, logs and writes stays with the copy.

Shared with the original are the model (:mod:`sanetune.engine.own.kept` puts it back), the tokenizer, and whatever the
user's own methods reach by other ways.
"""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING

from transformers import Trainer
from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from sanetune.engine.own.optimizers import copied_optimizer, copied_scheduler

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import Tensor
    from transformers import TrainingArguments

DEPTH = 4
"""Containers inside containers that are copied."""
LARGEST = 10_000
"""Length from which a container is taken to be data, which nobody changes, and is shared."""


def stand_in(trainer: Trainer, folder: Path) -> Trainer:
    """Return a copy of ``trainer`` that reports to nobody and writes to ``folder`` alone.

    An optimizer that the user has built is copied with its groups and its state; its weights are the model's own.
    """
    double: Trainer = object.__new__(type(trainer))
    for name, value in vars(trainer).items():
        vars(double)[name] = _for_the_double(value, trainer, double)
    double.args = _arguments(trainer.args, folder)
    with contextlib.suppress(Exception):  # what a user keeps in it need not be copyable
        double.state = copy.deepcopy(trainer.state)
    double.control = copy.copy(trainer.control)
    tokenizer = getattr(trainer, "processing_class", None)
    double.callback_handler = CallbackHandler([DefaultFlowCallback()], trainer.model, tokenizer, None, None)
    double.accelerator = _accelerator(trainer.accelerator)
    double.model_init = None  # it would be given another model than the one that is there
    double.log = MethodType(Trainer.log, double)  # type: ignore[method-assign]
    _copy_optimizer(trainer, double)
    return double


def _for_the_double(value: object, trainer: Trainer, double: Trainer) -> object:
    if isinstance(value, MethodType) and value.__self__ is trainer:
        return MethodType(value.__func__, double)
    return _container(value, DEPTH)


def _container(value: object, depth: int) -> object:
    """Containers of plain values again; everything else as it is."""
    if not isinstance(value, list | dict | set) or not depth or len(value) > LARGEST:
        return value
    again = copy.copy(value)
    if isinstance(again, dict):
        for key, one in again.items():
            again[key] = _container(one, depth - 1)
    elif isinstance(again, list):
        again[:] = [_container(one, depth - 1) for one in again]
    return again


def _arguments(given: TrainingArguments, folder: Path) -> TrainingArguments:
    arguments = copy.copy(given)
    arguments.output_dir = str(folder)
    arguments.report_to = []
    arguments.debug = []
    arguments.eval_strategy, arguments.save_strategy = IntervalStrategy.NO, SaveStrategy.NO
    arguments.load_best_model_at_end = arguments.eval_on_start = arguments.push_to_hub = False
    arguments.auto_find_batch_size = False
    arguments.logging_nan_inf_filter = False  # it would log the loss before in place of one that is no number
    arguments.disable_tqdm = arguments.skip_memory_metrics = True
    arguments.resume_from_checkpoint = None
    return arguments


def _accelerator(given: Accelerator) -> Accelerator:
    """A copy with lists and a loss scaler of its own. What all accelerators of a process share is kept elsewhere."""
    again = copy.copy(given)
    for name, value in vars(given).items():
        if isinstance(value, list):
            vars(again)[name] = list(value)
    if getattr(given, "scaler", None) is not None:
        again.scaler = copy.deepcopy(given.scaler)
    return again


def _copy_optimizer(trainer: Trainer, double: Trainer) -> None:
    given = getattr(trainer, "optimizer", None)
    if given is None:
        double.optimizer = double.lr_scheduler = None
        return
    optimizer = getattr(given, "optimizer", given)  # accelerate wraps it
    double.optimizer = copied_optimizer(optimizer, trainer.model)
    scheduler = getattr(trainer, "lr_scheduler", None)
    scheduler = getattr(scheduler, "scheduler", scheduler)
    if scheduler is None or getattr(trainer, "_created_lr_scheduler", False):
        double.lr_scheduler = None
    else:
        double.lr_scheduler = copied_scheduler(scheduler, optimizer, double.optimizer)


def attach_loss(double: Trainer) -> None:
    """Let a loss of ``double`` that depends on no weight end in a gradient of nothing: torch calls that an error."""
    import torch

    own = double.compute_loss

    def compute_loss(*args: object, **keywords: object) -> Tensor | tuple[Tensor, object]:
        found: Tensor | tuple[Tensor, object] = own(*args, **keywords)
        if isinstance(found, torch.Tensor) and not found.requires_grad:
            return found + torch.zeros((), device=found.device, requires_grad=True)
        return found

    double.compute_loss = compute_loss  # type: ignore[method-assign]
