"""Which tokens a trainer's own loss counts, and which it takes for right: read off its gradient.

Where ``compute_loss`` is the user's own, labels are not the last word. It is called with a model that gives free logits
for any input. The gradient of a logit says whether its place counts; where one sign alone is negative, it is the token
that the loss wants there. The real model is not called, and the trainer that is called is a copy.

Shapes: B rows of a batch, T tokens of a row, V ids of the vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from sanetune.data.labels import IGNORE_INDEX
from sanetune.evidence.processes import no_collectives
from sanetune.evidence.registry import MissingError
from sanetune.text import one_line

if TYPE_CHECKING:
    import torch
    from transformers import Trainer

    Batch: TypeAlias = dict[str, torch.Tensor]

BATCHES = 4
"""Batches that are tried."""
LARGEST = 100_000_000
"""Logits of a batch above which it is not tried: 400 MB."""


@dataclass(frozen=True, slots=True)
class TriedLoss:
    """What was found out about a trainer's own loss.

    Attributes:
        batches: The batches that were tried, with the labels that the loss acts on.
        as_labelled: Whether these are the labels that the batches have: then the labels are the last word after all.
        reason: Why it could not be tried; "" where it was.
    """

    batches: list[Batch]
    as_labelled: bool = False
    reason: str = ""

    @classmethod
    def of(cls, trainer: Trainer, batches: Iterable[Batch]) -> TriedLoss:
        """Try the loss of ``trainer`` on the first batches; neither it nor its model is changed."""
        import torch

        clone, tried, same = _clone(trainer), [], True
        for batch in islice(batches, BATCHES):
            try:
                labels = effective_labels(clone, batch)
            except MissingError as error:
                return cls([], reason=str(error))
            given = batch.get("labels")
            same = same and given is not None and torch.equal(given[:, 1:], labels[:, 1:])
            tried.append({**batch, "labels": labels})
        return cls(tried, same)


def effective_labels(trainer: Trainer, batch: Batch) -> torch.Tensor:
    """The labels, B x T, that ``trainer.compute_loss`` acts on, masked where it counts nothing."""
    ids_BT = batch["input_ids"]  # noqa: N806 -- shape suffix
    used = int(ids_BT.max()) + 1
    try:
        return _effective(trainer, batch, used)
    except MissingError:
        whole = int(getattr(trainer.model.config, "vocab_size", 0) or 0)
        if whole <= used:
            raise
        return _effective(trainer, batch, whole)  # a teacher beside the model has logits for every id


def _effective(trainer: Trainer, batch: Batch, vocabulary: int) -> torch.Tensor:
    import torch

    ids_BT = batch["input_ids"]  # noqa: N806
    if ids_BT.numel() * vocabulary > LARGEST:
        raise MissingError(_because("its batches have too many logits"))
    made: list[torch.Tensor] = []
    model = _free_logits(vocabulary, trainer, made)
    inputs = {name: value.clone() if hasattr(value, "clone") else value for name, value in batch.items()}
    try:
        with torch.enable_grad(), no_collectives():
            loss = trainer.compute_loss(model, inputs)
            (gradient,) = torch.autograd.grad(loss, made[-1:])
    except Exception as error:  # noqa: BLE001 -- whatever a user's own loss needs besides logits
        raise MissingError(_because(f"{type(error).__name__}: {one_line(str(error), 80)}")) from None
    labels: torch.Tensor = torch.full_like(ids_BT, IGNORE_INDEX)
    counts = gradient.abs().amax(-1) > 0
    negative = gradient < 0
    target = torch.where(negative.sum(-1) == 1, negative.int().argmax(-1), torch.roll(ids_BT, -1, 1))
    labels[:, 1:] = torch.where(counts[:, :-1], target[:, :-1].to(ids_BT.dtype), labels[:, 1:])
    return labels


def _because(reason: str) -> str:
    return f"the trainer's own loss decides what is learned, and it could not be tried by itself ({reason})"


def _clone(trainer: Trainer) -> Trainer:
    """A copy that may count, log and collect without the original noticing."""
    clone = copy.copy(trainer)
    for name, value in vars(trainer).items():
        if isinstance(value, list | dict | set):
            setattr(clone, name, copy.copy(value))
    clone.state = copy.deepcopy(trainer.state)
    clone.log = lambda *logs, **more: None  # type: ignore[method-assign]
    return clone


def _free_logits(vocabulary: int, trainer: Trainer, made: list[torch.Tensor]) -> torch.nn.Module:
    """A model whose logits are free, with the loss that a causal model of transformers has; ``made``: gets them."""
    import torch
    from transformers.loss.loss_utils import ForCausalLMLoss
    from transformers.modeling_outputs import CausalLMOutputWithPast

    class FreeLogits(torch.nn.Module):
        config = trainer.model.config

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor | None = None,
            labels: torch.Tensor | None = None,
            num_items_in_batch: torch.Tensor | None = None,
            **more: object,
        ) -> CausalLMOutputWithPast:
            free = torch.zeros(*input_ids.shape, vocabulary, device=input_ids.device, requires_grad=True)
            made.append(free)
            loss = None
            if labels is not None:
                loss = ForCausalLMLoss(free, labels, vocabulary, num_items_in_batch=num_items_in_batch)
            return CausalLMOutputWithPast(loss=loss, logits=free)

    return FreeLogits()
