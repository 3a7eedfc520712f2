"""A built trainer in numbers: its arguments, its model and the sizes of its data sets."""

from __future__ import annotations

from typing import Any

from sanetune.evidence.run_settings import RunSettings
from sanetune.planning import steps


def settings_of(trainer: Any, loss_on: str) -> RunSettings:
    """The run in numbers, out of the trainer's arguments, model and data sets."""
    from sanetune.engine.models import facts

    args, model = trainer.args, trainer.model
    found = facts(model)
    rows = trainer.train_dataset
    examples = len(rows) if hasattr(rows, "__len__") else 0
    held = trainer.eval_dataset
    held_out = sum(map(_documents, held.values())) if isinstance(held, dict) else _documents(held)
    devices = max(1, args.world_size)
    batches = steps.batches_per_epoch(examples, args.train_batch_size, devices, args.dataloader_drop_last)
    per_epoch = steps.steps_per_epoch(batches, args.gradient_accumulation_steps)
    if not hasattr(rows, "__len__"):  # of a stream one pass is as long as the run, as far as anybody knows
        per_epoch = max(1, args.max_steps)
    total = args.max_steps if args.max_steps > 0 else round(args.num_train_epochs * per_epoch)
    weights = next(model.parameters()).dtype
    adapted = hasattr(model, "peft_config")
    quantised = getattr(model.config, "quantization_config", None) is not None
    sampling = str(getattr(args, "train_sampling_strategy", ""))

    def interval(strategy: Any, value: Any) -> int | None:
        if str(getattr(strategy, "value", strategy)) != "steps" or not value:
            return None
        return max(1, int(value if value >= 1 else value * total))

    return RunSettings(
        model=str(getattr(model.config, "_name_or_path", "") or type(model).__name__),
        method="qlora" if adapted and quantised else "lora" if adapted else "full",
        parameters=found.parameters,
        trainable=found.trainable,
        hidden=found.hidden,
        context=found.context or None,
        embedding_rows=model.get_input_embeddings().weight.shape[0],
        stored_dtype=found.native_dtype,
        weights_dtype=str(weights).removeprefix("torch."),
        revision=None,
        trust_remote_code=False,
        device=args.device.type,
        device_has_bf16=_has_bf16(args.device.type),
        devices=devices,
        learning_rate=float(args.learning_rate),
        scheduler=str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)),
        warmup_steps=steps.warmup_steps(float(args.warmup_steps or 0), total),
        total_steps=total,
        steps_per_epoch=per_epoch,
        epochs=total / per_epoch,
        per_device=args.per_device_train_batch_size,
        accumulation=args.gradient_accumulation_steps,
        effective=args.train_batch_size * args.gradient_accumulation_steps * devices,
        last_step_batches=(batches % args.gradient_accumulation_steps or args.gradient_accumulation_steps)
        if batches
        else 0,
        bf16=bool(args.bf16),
        fp16=bool(args.fp16),
        max_length=getattr(args, "max_length", None),
        packing=bool(getattr(args, "packing", False)),
        grouped_by_length=sampling.endswith("group_by_length"),
        logging_steps=interval(args.logging_strategy, args.logging_steps),
        eval_strategy=str(getattr(args.eval_strategy, "value", args.eval_strategy)),
        eval_steps=interval(args.eval_strategy, args.eval_steps or args.logging_steps),
        save_strategy=str(getattr(args.save_strategy, "value", args.save_strategy)),
        save_steps=interval(args.save_strategy, args.save_steps),
        save_total_limit=args.save_total_limit,
        load_best=bool(args.load_best_model_at_end),
        metric=args.metric_for_best_model,
        trackers=tuple(name for name in (args.report_to or []) if name != "none"),
        train_examples=examples,
        validation_examples=held_out,
        held_out_unknown=held is not None and not held_out,
        loss_on=loss_on,  # type: ignore[arg-type]
    )


def _documents(rows: Any) -> int:
    """Rows of a data set that may be packed; 0 where their number is not known."""
    if "seq_lengths" in (getattr(rows, "column_names", None) or []) and hasattr(rows, "__len__"):
        return sum(map(len, rows["seq_lengths"]))
    return len(rows) if hasattr(rows, "__len__") else 0


def _has_bf16(device: str) -> bool:
    import torch

    return device == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))
