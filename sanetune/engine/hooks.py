"""What people write training loops of their own for: several losses at once, their own gradients, unusual batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from sanetune.engine.batches import Batch

LossFn = Callable[["PreTrainedModel", "Batch"], "Mapping[str, Tensor]"]
CountFn = Callable[["Batch"], Mapping[str, int]]
Gradients = list["Tensor | None"]
"""Of each trained weight, in the order of ``model.parameters()``; None where a loss does not depend on it."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Functions of your own in the loop of ``train.engine: accelerate``; each may be left out.

    A loss is given as its **sum** over the items of a micro-batch (tokens, rows, pairs), beside the number of these
    items. The loop divides by the items of the whole effective batch, so that accumulation, devices and batches of
    unequal size change nothing.

    Attributes:
        on_model: Called once with the loaded model, before the optimizer is made: adds a head, for example.
        loss_fn: Returns named losses of a micro-batch, each the sum over its items. None: the loss of the tokens.
        count_fn: Returns how many items each of these losses has in a micro-batch, by the same names. None: each has
            as many as tokens in the loss.
        loss_weights: What each named loss is multiplied by; 1 where it is not named.
        combine_gradients: Makes one gradient out of those of each named loss, which are then computed one by one.
            Gets the gradients of the effective batch by name, weights included. None: they are added up.
        on_gradients: Called with the model when its gradients are there, before they are clipped.
        batches: Micro-batches of your own, in place of the prepared rows'; begun again when they end. A generator,
            which cannot be, needs as many as all steps take. They need not have the columns of ours where ``loss_fn``
            and ``count_fn`` read others.
    """

    on_model: Callable[[PreTrainedModel], None] | None = None
    loss_fn: LossFn | None = None
    count_fn: CountFn | None = None
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    combine_gradients: Callable[[dict[str, Gradients]], Gradients] | None = None
    on_gradients: Callable[[PreTrainedModel], None] | None = None
    batches: Iterable[Batch] | None = None
