"""From a transformers Trainer's arguments to the settings of its loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.engine.base import LoopSettings

if TYPE_CHECKING:
    from transformers import TrainingArguments


def loop_settings(given: TrainingArguments) -> LoopSettings:
    """Return what a trainer with these arguments runs with."""
    strategy = given.train_sampling_strategy
    return LoopSettings(
        per_device_train_batch_size=int(given.per_device_train_batch_size),
        per_device_eval_batch_size=int(given.per_device_eval_batch_size),
        gradient_accumulation_steps=max(1, int(given.gradient_accumulation_steps)),
        learning_rate=float(given.learning_rate),
        max_grad_norm=float(given.max_grad_norm) if given.max_grad_norm else None,
        mixed_precision="bf16" if given.bf16 else "fp16" if given.fp16 else None,
        activation_checkpointing=bool(given.activation_checkpointing),
        activation_checkpointing_kwargs=dict(given.activation_checkpointing_kwargs or {}),
        groups_by_length=str(getattr(strategy, "value", strategy)) == "group_by_length",
        dataloader_workers=int(given.dataloader_num_workers),
        saves_checkpoints=str(getattr(given.save_strategy, "value", given.save_strategy)) != "no",
        save_only_model=bool(given.save_only_model),
        save_total_limit=int(given.save_total_limit) if given.save_total_limit else None,
        world_size=int(given.world_size),
    )
