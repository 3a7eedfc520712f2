"""Model, optimizer, schedule and batches of a run, for a training loop of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch.optim.lr_scheduler import LRScheduler
    from torch.utils.data import DataLoader
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sanetune.engine.batches import Batch


@dataclass(frozen=True, slots=True)
class TrainingParts:
    """All that a loop of one's own needs; ``accelerator.prepare`` takes model, optimizer, loader and schedule.

    Attributes:
        model: The model as the configuration trains it, in main memory.
        optimizer: Over its trained weights.
        loader: Training batches, in the order of the run.
        validation: Validation batches; None: there are none.
        schedule: Of the learning rate, for a loop that prepares it with the others.
        tokenizer: With its chat template and pad token.
        accumulation_steps: Micro-batches of a step, for ``Accelerator(gradient_accumulation_steps=...)``.
        steps: Optimizer steps of the run.
        epochs: Passes over the rows that these take, the last one perhaps in part.
        max_grad_norm: Norm to which gradients are clipped; infinite: they are not.
    """

    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    loader: DataLoader[Batch]
    validation: DataLoader[Batch] | None
    schedule: LRScheduler
    tokenizer: PreTrainedTokenizerBase
    accumulation_steps: int
    steps: int
    epochs: int
    max_grad_norm: float
