"""The numbers of a run whose trainer is built: from its arguments, its model and the sizes of its data sets."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import replace
from typing import TYPE_CHECKING

from sanetune.config.machine import Machine
from sanetune.evidence.run_settings import (
    DataSettings,
    ModelSettings,
    MonitoringSettings,
    RunSettings,
)
from sanetune.evidence.trainer_callbacks import evaluating_callbacks
from sanetune.planning.steps import StepPlan, count_steps

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset
    from transformers import PreTrainedModel, Trainer, TrainingArguments

    from sanetune.config.section import LossOn


def settings_of(trainer: Trainer, loss_on: LossOn) -> RunSettings:
    """The run of ``trainer`` in numbers; ``loss_on``: which turns are meant to be in the loss."""
    args = trainer.args
    examples = _count(trainer.train_dataset)
    device = args.device.type
    return RunSettings(
        _model(trainer.model, args),
        Machine(device, _has_bf16(device), max(1, args.world_size)),
        _steps(trainer, examples),
        _data(trainer, _documents(trainer.train_dataset), loss_on),
        _monitoring(trainer),
        {"optim": _optimizer(trainer)},
    )


def _optimizer(trainer: Trainer) -> str:
    """The name of the optimizer that will take the steps: a class, or what ``optim`` says."""
    if (built := getattr(trainer, "optimizer", None)) is not None:
        return type(getattr(built, "optimizer", built)).__name__  # accelerate wraps it
    if given := getattr(trainer, "optimizer_cls_and_kwargs", None):
        return str(getattr(given[0], "__name__", given[0]))
    return _text(trainer.args.optim)


def _model(model: PreTrainedModel, args: TrainingArguments) -> ModelSettings:
    from sanetune.engine.adapters import rows_of
    from sanetune.engine.models import sizes_of

    sizes = sizes_of(model)
    adapted = hasattr(model, "peft_config")
    quantised = getattr(model.config, "quantization_config", None) is not None
    return ModelSettings(
        name=str(getattr(model.config, "_name_or_path", "") or type(model).__name__),
        method="qlora" if adapted and quantised else "lora" if adapted else "full",
        parameters=sizes.parameters,
        trainable=sizes.trainable,
        hidden=sizes.hidden,
        context=sizes.context or None,
        embedding_rows=rows_of(model.get_input_embeddings().weight),
        stored_dtype=sizes.stored_dtype,
        weights_dtype=str(next(model.parameters()).dtype).removeprefix("torch."),
        bf16=bool(args.bf16),
        fp16=bool(args.fp16),
    )


def _steps(trainer: Trainer, examples: int | None) -> StepPlan:
    """``examples``: None for a stream, of which one pass is taken to be as long as the run.

    With several GPUs in one process, a batch of the dataloader is as large as those of all of them together; with
    ``split_batches``, it is shared among the processes.
    """
    from sanetune.engine.own.optimizers import planned_lr

    def interval(strategy: object, *values: float | None) -> float | None:
        return next((value for value in values if value), None) if _text(strategy) == "steps" else None

    args = trainer.args
    split = bool(getattr(getattr(args, "accelerator_config", None), "split_batches", False))
    given = getattr(trainer, "lr_scheduler", None) is not None
    own_schedule = given and not getattr(trainer, "_created_lr_scheduler", False)
    plan = count_steps(
        examples=examples or 0,
        per_device=args.train_batch_size,
        accumulation=args.gradient_accumulation_steps,
        devices=1 if split else max(1, args.world_size),
        drop_last=bool(args.dataloader_drop_last),
        epochs=float(args.num_train_epochs),
        max_steps=args.max_steps,
        warmup=0.0 if own_schedule else float(args.warmup_steps or 0),
        learning_rate=planned_lr(trainer),
        scheduler=_text(args.lr_scheduler_type),
        scheduler_kwargs=args.lr_scheduler_kwargs or None,
        eval_every=interval(args.eval_strategy, args.eval_steps, args.logging_steps),
        save_every=interval(args.save_strategy, args.save_steps),
        logging_every=interval(args.logging_strategy, args.logging_steps),
    )
    plan = replace(plan, per_device=args.per_device_train_batch_size)
    return replace(plan, steps_per_epoch=plan.total_steps, epochs=1.0) if examples is None else plan


def _data(trainer: Trainer, examples: int, loss_on: LossOn) -> DataSettings:
    args, validation = trainer.args, trainer.eval_dataset
    count = sum(map(_documents, validation.values())) if isinstance(validation, dict) else _documents(validation)
    return DataSettings(
        train_examples=examples,
        validation_examples=count,
        validation_size_unknown=validation is not None and not count,
        loss_on=loss_on,
        max_length=getattr(args, "max_length", None),
        packing=bool(getattr(args, "packing", False)),
        grouped_by_length=_text(getattr(args, "train_sampling_strategy", "")) == "group_by_length",
        sequential=_text(getattr(args, "train_sampling_strategy", "")) == "sequential",
    )


def _monitoring(trainer: Trainer) -> MonitoringSettings:
    args = trainer.args
    return MonitoringSettings(
        eval_strategy=_text(args.eval_strategy),
        save_strategy=_text(args.save_strategy),
        save_total_limit=args.save_total_limit,
        load_best=bool(args.load_best_model_at_end),
        metric=args.metric_for_best_model,
        trackers=tuple(name for name in (args.report_to or []) if name != "none"),
        evaluated_by=evaluating_callbacks(trainer),
    )


def _text(value: object) -> str:
    """An argument as text, also where it is a member of an enumeration."""
    return str(getattr(value, "value", value))


def _count(rows: Dataset | IterableDataset | None) -> int | None:
    """Rows of a data set; None for a stream."""
    return len(rows) if isinstance(rows, Sized) else None


def _documents(rows: Dataset | IterableDataset | None) -> int:
    """Rows of a data set that may be packed; 0 where their number is not known."""
    count = _count(rows)
    if count is not None and rows is not None and "seq_lengths" in (getattr(rows, "column_names", None) or []):
        return sum(map(len, rows["seq_lengths"]))
    return count or 0


def _has_bf16(device: str) -> bool:
    import torch

    return device == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))
