"""The gradients of one or several losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sanetune.engine.accelerate.loss_module import LOSS
from sanetune.engine.hooks import Gradients, Hooks
from sanetune.errors import ConfigError

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel


class GradientSum:
    """Adds up the gradients of the micro-batches of a step, each loss's apart where the user combines them.

    Args:
        model: Its trained weights get the gradients.
        accelerator: Scales losses where products have 16 bits, and averages over processes.
        hooks: Weights of the losses, and how their gradients are combined.
    """

    def __init__(self, model: PreTrainedModel, accelerator: Accelerator, hooks: Hooks) -> None:
        self._accelerator, self._hooks = accelerator, hooks
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._apart: dict[str, Gradients] = {}

    @property
    def apart(self) -> bool:
        """Whether the gradients of each loss are computed one by one."""
        return self._hooks.combine_gradients is not None

    def add(self, losses: Mapping[str, Tensor], counts: Mapping[str, float]) -> dict[str, Tensor]:
        """Add the gradient of a micro-batch.

        Args:
            losses: Its named losses, each the sum over its items.
            counts: The number of these items in the whole effective batch, by the same names; without ``count_fn``
                that of the tokens in the loss, which then is the number of each.

        Returns:
            The losses per item, times the number of processes, without their weights and without a graph.

        Raises:
            ConfigError: ``count_fn`` has not counted one of the losses.
        """
        # Gradients are averaged over processes: their sum is wanted.
        processes = self._accelerator.num_processes
        means = {name: loss * (processes / self._items(name, counts)) for name, loss in losses.items()}
        weighted = {name: mean * self._hooks.loss_weights.get(name, 1.0) for name, mean in means.items()}
        if self.apart:
            for name, loss in weighted.items():
                self._add_apart(name, loss)
        else:
            self._accelerator.backward(torch.stack([loss.float() for loss in weighted.values()]).sum())
        return {name: mean.detach() for name, mean in means.items()}

    def _items(self, name: str, counts: Mapping[str, float]) -> float:
        if self._hooks.count_fn is None:
            return counts[LOSS]
        if name not in counts:
            raise ConfigError(
                f"Hooks.loss_fn returns the loss {name!r}, of which Hooks.count_fn gives no number of items: it has "
                f"{', '.join(map(repr, sorted(counts))) or 'none'}.",
                "A loss is divided by its items in the whole effective batch.",
                f"Return the number of items of {name!r}, too.",
            )
        return counts[name]

    def _add_apart(self, name: str, loss: Tensor) -> None:
        scaler = self._accelerator.scaler
        scaled = loss if scaler is None else scaler.scale(loss)
        found = torch.autograd.grad(scaled, self._weights, retain_graph=True, allow_unused=True)
        before = self._apart.get(name, [None] * len(found))
        self._apart[name] = [_sum(one, other) for one, other in zip(before, found, strict=True)]

    def combine(self) -> None:
        """Let the user make one gradient of those of each loss, once all micro-batches are added."""
        if self._hooks.combine_gradients is None:
            return
        averaged = {name: [self._averaged(one) for one in some] for name, some in self._apart.items()}
        self._apart = {}
        for weight, gradient in zip(self._weights, self._hooks.combine_gradients(averaged), strict=True):
            weight.grad = gradient

    def _averaged(self, gradient: Tensor | None) -> Tensor | None:
        if gradient is None or self._accelerator.num_processes == 1:
            return gradient
        averaged: Tensor = self._accelerator.reduce(gradient, "mean")
        return averaged


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other
