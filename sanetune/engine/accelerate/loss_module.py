"""The model and its loss as one module, which is what accelerate wraps.

Whatever a loss does with parts of the model, it does inside the forward pass of DistributedDataParallel, and under its
autocast; and no wrapper around the model's own forward has to be taken off again.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from sanetune.engine.batches import Batch, loss_token_count
from sanetune.engine.hooks import Hooks
from sanetune.engine.loss import kept_logits, row_losses, summed_loss
from sanetune.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LOSS = "loss"
"""Name of the loss of the tokens, where no other losses are given."""


class MicroBatchLoss(Protocol):
    """Computes the loss of the tokens: the one place to change for another way to compute the same sum."""

    def group(self, batches: Sequence[Batch], pad_token_id: int) -> list[Batch]:
        """Return the rows of a step's micro-batches in the micro-batches that are best for it."""

    def step(self) -> AbstractContextManager[None]:
        """Entered around all micro-batches of a step."""

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the sum of the token losses of ``batch`` (B, T) in nats, differentiable, and their number."""

    def by_row(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the same of each row of ``batch`` (B, T) alone: losses (B) in nats, not differentiable, and numbers of
        tokens (B)."""

    def report(self) -> list[str]:
        """Return notes on what was computed in another way than asked for, and what was measured for that."""

    def choices(self) -> dict[str, Any]:
        """Return as JSON what was chosen by measuring: a checkpoint keeps it."""

    def choose(self, choices: Mapping[str, Any]) -> None:
        """Take over the choices of a checkpoint, so that a resumed run makes the same sums."""


class PaddedLoss:
    """The loss of rows as they are in the batch, with logits only where some row has a token in the loss."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model

    def group(self, batches: Sequence[Batch], pad_token_id: int) -> list[Batch]:
        """Every row is as good as another here."""
        return list(batches)

    def report(self) -> list[str]:
        """There is nothing to say."""
        return []

    def choices(self) -> dict[str, Any]:
        """There is nothing to choose."""
        return {}

    def choose(self, choices: Mapping[str, Any]) -> None:
        """There is nothing to choose."""

    def step(self) -> AbstractContextManager[None]:
        """Nothing is shared between the micro-batches of a step."""
        return contextlib.nullcontext()

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """See :class:`MicroBatchLoss`."""
        logits, labels, _ = kept_logits(self._model, batch)
        return summed_loss(logits, labels)

    @torch.no_grad()
    def by_row(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """See :class:`MicroBatchLoss`."""
        logits, labels, _ = kept_logits(self._model, batch)
        return row_losses(logits, labels)


class LossModule(nn.Module):
    """Gives the named losses of a micro-batch, each the sum over its items.

    Args:
        model: The model as it trains.
        token_loss: Computes the loss of the tokens; None: :class:`PaddedLoss`.
        hooks: May have losses of their own.
    """

    def __init__(self, model: PreTrainedModel, token_loss: MicroBatchLoss | None, hooks: Hooks) -> None:
        super().__init__()
        self.model, self._hooks = model, hooks
        self.token_loss = token_loss or PaddedLoss(model)

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the losses of ``batch`` (B, T)."""
        if self._hooks.loss_fn is not None:
            return self._hooks.loss_fn(self.model, batch)
        return {LOSS: self.token_loss(batch)[0]}

    def step(self) -> AbstractContextManager[None]:
        """Return what surrounds the micro-batches of a step; losses of the user's own call the model as it is."""
        return contextlib.nullcontext() if self._hooks.loss_fn is not None else self.token_loss.step()

    def counts(self, batch: Batch) -> Mapping[str, int]:
        """Return how many items each loss of ``batch`` (B, T) has; without ``count_fn``, the tokens in the loss.

        Raises:
            ConfigError: There is neither ``count_fn`` nor a label to count.
        """
        if self._hooks.count_fn is not None:
            return self._hooks.count_fn(batch)
        if "labels" not in batch:
            raise ConfigError(
                f"Hooks.batches have no labels, only {', '.join(sorted(batch)) or 'nothing'}; their items cannot be "
                "counted.",
                "A loss is divided by the items of the whole effective batch.",
                "Give Hooks.count_fn, which returns the number of items of each loss.",
            )
        return {LOSS: loss_token_count(batch)}
