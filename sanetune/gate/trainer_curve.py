"""What somebody's own trainer says of its curve before a step is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.curves.logs.entries import VALIDATION_LOSS, is_set_loss
from sanetune.curves.series import Curve
from sanetune.gate.watch import SOURCE

if TYPE_CHECKING:
    from transformers import Trainer, TrainerState, TrainingArguments

LIBRARIES = ("transformers", "trl")
"""Packages whose trainers divide a loss by the micro-batches of its step."""


def deciding_loss(trainer: Trainer, args: TrainingArguments) -> str:
    """Return the name of the loss of the validation set that decides which checkpoint is best."""
    metric = str(args.metric_for_best_model or "")
    name = metric if metric.startswith("eval_") else f"eval_{metric}"
    if is_set_loss(name):
        return name
    sets = trainer.eval_dataset
    return f"eval_{next(iter(sets))}_loss" if isinstance(sets, dict) and sets else VALIDATION_LOSS


def facts_of(trainer: Trainer, args: TrainingArguments, state: TrainerState) -> Curve:
    """Return a curve without a step, with what the trainer says of those that will come."""
    config = getattr(trainer.model, "config", None)
    decides = deciding_loss(trainer, args)
    text = config.get_text_config() if config is not None and hasattr(config, "get_text_config") else None
    return Curve(
        total_steps=state.max_steps,
        warmup_steps=args.get_warmup_steps(state.max_steps),
        vocab_size=getattr(text, "vocab_size", None),
        planned_lr=args.learning_rate,
        max_grad_norm=args.max_grad_norm,
        accumulated=args.gradient_accumulation_steps if _has_own_loss(trainer) else None,
        validation_name="" if decides == VALIDATION_LOSS else decides,
        source=SOURCE,
    )


def _has_own_loss(trainer: Trainer) -> bool:
    """Whether the loss is computed by somebody's own code, which often leaves out to divide by the micro-batches."""
    module = str(getattr(type(trainer).compute_loss, "__module__", ""))
    return trainer.compute_loss_func is not None or module.partition(".")[0] not in LIBRARIES
