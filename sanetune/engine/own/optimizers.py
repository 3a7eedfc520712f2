"""Copies of optimizers and schedulers that somebody has built, which move the same weights."""

from __future__ import annotations

import copy
import inspect
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from transformers import Trainer

from sanetune.engine.adapters import numbers_of

SHARE = "lr_share"
"""Key of a parameter group: its learning rate as a share of the planned one."""

_BOUND = ("step", "zero_grad")
"""Methods that schedulers and accelerate replace on an instance, bound to it: a copy has those of its class."""

Copied = TypeVar("Copied", torch.optim.Optimizer, LRScheduler)


def copied_optimizer(given: torch.optim.Optimizer, model: nn.Module) -> torch.optim.Optimizer:
    """Return a copy with groups, settings and state of its own, over the same weights and the same ``model``."""
    return _copied(given, {id(one): one for one in (*weights_of(given), *model.modules())})


def copied_scheduler(
    given: LRScheduler, optimizer: torch.optim.Optimizer, copied: torch.optim.Optimizer
) -> LRScheduler:
    """Return a copy that sets the learning rates of ``copied`` where ``given`` sets those of ``optimizer``."""
    return _copied(given, {id(optimizer): copied})


def weights_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """The weights that ``optimizer`` moves."""
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def _copied(given: Copied, memo: dict[int, object]) -> Copied:
    # Not `copy.deepcopy(given)`: torch's optimizers leave out what a class of one's own keeps beside their state.
    again = object.__new__(type(given))
    memo[id(given)] = again
    for name, value in vars(given).items():
        if name not in _BOUND or not callable(value):
            vars(again)[name] = value if inspect.ismodule(value) else copy.deepcopy(value, memo)
    return again


def at_peak(optimizer: torch.optim.Optimizer, planned: float) -> torch.optim.Optimizer:
    """Set every group of ``optimizer`` to its highest learning rate, and note what share of ``planned`` it is."""
    for group in optimizer.param_groups:
        group["lr"] = peak_of(group)
        group[SHARE] = group["lr"] / planned if planned > 0 else 1.0
    return optimizer


def peak_of(group: dict[str, object]) -> float:
    """The learning rate of a group at the start of its schedule: that of the whole run where it has none yet."""
    return float(group.get("initial_lr", group["lr"]))  # type: ignore[arg-type]


def planned_lr(trainer: Trainer) -> float:
    """The highest learning rate of the run: of the optimizer that is built, else of the arguments.

    Where groups of weights have their own, that of the most weights.
    """
    if (built := getattr(trainer, "optimizer", None)) is not None:
        group = max(built.param_groups, key=lambda one: numbers_of(one["params"]))
        return peak_of(group)
    given = getattr(trainer, "optimizer_cls_and_kwargs", None)
    return float(given[1].get("lr", trainer.args.learning_rate)) if given else float(trainer.args.learning_rate)
