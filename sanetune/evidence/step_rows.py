"""The rows of one step of somebody's own trainer, each with its own loss and gradient norm, while it trains.

They are read from copies of its data set and collator, and measured with the model as it is; random states, generators,
modes, hooks and buffers are put back, and gradients are not touched. Shapes: B = 1 row of a batch, T its tokens.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.batches import Batch, on_device
from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.evidence.detached import copied, detached
from sanetune.evidence.registry import MissingError
from sanetune.evidence.trainer_batches import has_own_loss
from sanetune.probes.row_losses import LENGTH, MOST, StepRow, ranked, row_loss_and_norm
from sanetune.text import one_line, shorten

if TYPE_CHECKING:
    from torch.utils.data import DataLoader
    from transformers import PreTrainedModel, Trainer

OWN_LOSS = ", by the loss per token instead of the trainer's own"
NO_NUMBERS = "the weights are no numbers any more"


@dataclass(frozen=True, slots=True)
class StepRows:
    """The rows of a step.

    Attributes:
        rows: The worst first where they were measured, else in their order.
        measured_with: The weights, in words; empty: they were not measured.
        reason: Why they were not measured; empty: they were.
    """

    rows: Sequence[StepRow]
    measured_with: str = ""
    reason: str = ""


def step_rows(trainer: Trainer, loader: DataLoader[Any] | None, numbers: Sequence[int], weights: str = "") -> StepRows:
    """Return the rows ``numbers`` of the training data of ``trainer``, decoded, and measured where that can be done.

    Nothing that the user's own code raises while they are read or measured gets out: the run goes on without them.

    Args:
        trainer: Somebody's own, between two of its steps.
        loader: Its training dataloader, as its callbacks get it.
        numbers: Of its data set, as :func:`sanetune.engine.own.sampled_rows.rows_of` gives them.
        weights: Those that the model has, in words; empty: those after its last step.
    """
    from sanetune.engine.own.kept import kept_forward

    named = [StepRow(number, None, "", 0, 0) for number in numbers]
    try:
        with kept_forward(trainer.model):
            batches = _batches(loader, numbers)
            named = [_described(trainer, number, batch) for number, batch in zip(numbers, batches, strict=False)]
            if reason := _not_measurable(trainer, batches):
                return StepRows(named, reason=reason)
            rows = _measured(trainer, named, batches)
    except Exception as error:  # noqa: BLE001 -- a data set, a collator or a model of the user's own may raise anything
        short = "the memory does not suffice" if is_out_of_memory(error) else f"{type(error).__name__}: {error}"
        return StepRows(named, reason=one_line(short, 160))
    if not any(row.loss is not None and math.isfinite(row.loss) for row in rows):
        return StepRows(named, reason=NO_NUMBERS)
    own = OWN_LOSS if has_own_loss(trainer) else ""
    weights = weights or f"the weights after step {trainer.state.global_step:,}"
    return StepRows(ranked(rows), weights + own)


def _batches(loader: DataLoader[Any] | None, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """A batch of each row alone, as the trainer's own collator makes it."""
    collate = getattr(loader, "collate_fn", None)
    rows = getattr(loader, "dataset", None)
    if collate is None or rows is None:
        raise MissingError("its training batches are not made by a DataLoader")
    rows = detached(rows)
    with contextlib.suppress(Exception):  # a collator that cannot be copied is used as it is
        collate = copied(collate)
    return [collate([rows[number]]) for number in numbers]


def _described(trainer: Trainer, number: int, batch: dict[str, Any]) -> StepRow:
    """A row with its text and its tokens, padding left out."""
    ids = batch.get("input_ids")
    if ids is None:
        return StepRow(number, None, "", 0, 0)
    mask, labels = batch.get("attention_mask"), batch.get("labels")
    kept = ids[0] if mask is None or mask.shape != ids.shape else ids[0][mask[0].bool()]
    in_loss = 0 if labels is None or labels.shape != ids.shape else int((labels[:, 1:] != IGNORE_INDEX).sum())
    return StepRow(number, None, _text(trainer, kept.tolist()), len(kept), in_loss)


def _text(trainer: Trainer, ids: list[int]) -> str:
    processor = getattr(trainer, "processing_class", None)
    tokenizer = getattr(processor, "tokenizer", processor)
    if tokenizer is not None and hasattr(tokenizer, "decode"):
        return shorten(tokenizer.decode(ids), LENGTH)
    return shorten("token ids " + " ".join(map(str, ids)), LENGTH)


def _not_measurable(trainer: Trainer, batches: Sequence[dict[str, Any]]) -> str:
    """Why the rows cannot be measured; empty: they can."""
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return "the model is sharded over processes"
    if trainer.args.world_size > 1:
        return f"the run has {trainer.args.world_size} processes, which would have to measure together"
    for name in ("input_ids", "labels"):
        if any(name not in batch for batch in batches):
            return f"its batches have no {name}"
    if any(batch["labels"].shape != batch["input_ids"].shape for batch in batches):
        return "its labels are not those of a causal language model"
    if not any(weight.requires_grad for weight in trainer.model.parameters()):
        return "no weight is trained"
    return ""


def _measured(trainer: Trainer, named: Sequence[StepRow], batches: Sequence[dict[str, Any]]) -> list[StepRow]:
    from sanetune.engine.own.session import model_inputs

    model: PreTrainedModel = trainer.model
    model.eval()
    rows = list(named)
    device = next(model.parameters()).device
    scaler = getattr(trainer.accelerator, "scaler", None)
    scale = float(scaler.get_scale()) if scaler is not None else 1.0
    for place, batch in enumerate(batches[:MOST]):
        read: Batch = on_device(model_inputs(model, batch, batch["labels"]), device)
        with trainer.accelerator.autocast(), trainer.compute_loss_context_manager():
            loss, norm = row_loss_and_norm(model, read, scale)
        rows[place] = replace(rows[place], loss=loss, grad_norm=norm)
    return rows
