"""Optimizer and schedule by the names that the configuration allows: those of transformers, in its parameter groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from transformers import Trainer, get_scheduler
from transformers.trainer_optimizer import is_optimizer_factory
from transformers.trainer_pt_utils import get_parameter_names

if TYPE_CHECKING:
    from trl import SFTConfig

UNDECAYED = (r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)")
"""Names of weights without weight decay, as in transformers; layers of type LayerNorm have none either."""


def make_optimizer(model: nn.Module, arguments: SFTConfig) -> torch.optim.Optimizer:
    """Return the optimizer that ``arguments.optim`` names, over the trained weights of ``model``."""
    made, keywords = Trainer.get_optimizer_cls_and_kwargs(arguments, model)
    if is_optimizer_factory(made):
        built: torch.optim.Optimizer = made()(model, **keywords)
        return built
    # GaLore and its like bring groups of their own.
    groups = keywords.pop("params", None) or _groups(model, arguments.weight_decay)
    optimizer: torch.optim.Optimizer = made(groups, **keywords)
    return optimizer


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    decayed = set(get_parameter_names(model, [nn.LayerNorm], list(UNDECAYED)))
    trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    return [
        {"params": [weight for name, weight in trained if name in decayed], "weight_decay": decay},
        {"params": [weight for name, weight in trained if name not in decayed], "weight_decay": 0.0},
    ]


def make_schedule(optimizer: torch.optim.Optimizer, arguments: SFTConfig, total_steps: int) -> LRScheduler:
    """Return the learning rate schedule over ``total_steps`` optimizer steps."""
    schedule: LRScheduler = get_scheduler(
        arguments.lr_scheduler_type,
        optimizer=optimizer,
        num_warmup_steps=arguments.get_warmup_steps(total_steps),
        num_training_steps=total_steps,
        scheduler_specific_kwargs=arguments.lr_scheduler_kwargs,
    )
    return schedule
