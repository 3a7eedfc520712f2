"""Training with TRL's SFTTrainer on prepared rows: the first of the two engines."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, TrainerCallback, set_seed

from sanetune.engine import checkpoints
from sanetune.engine.adapters import Frozen
from sanetune.engine.library_logs import quiet
from sanetune.engine.metrics import Listener, MetricsFile, Record
from sanetune.engine.models import default_device, fit_to_tokenizer, load_model, make_trainable, new_tokens, train_dtype
from sanetune.engine.save import save_model
from sanetune.engine.signals import Stop
from sanetune.engine.trl.arguments import training_arguments
from sanetune.engine.trl.callbacks import PublishedNote, Publisher
from sanetune.engine.trl.trainer import Trainer
from sanetune.errors import DataError, RunError
from sanetune.runs import Run


@dataclass(slots=True)
class Outcome:
    """How a run ended. Losses are per learnt token, in nats; ``seconds`` is the time of this call, loading left out.

    ``model`` is the plain tuned model that lies in the run's folder (an adapter merged into it), and None on processes
    other than the main one. ``notes`` are things that the user should be told.
    """

    steps: int
    epochs: float
    train_loss: float
    validation_loss: float | None
    best_step: int | None
    best_validation_loss: float | None
    base_validation_loss: float | None
    stopped_early: bool
    resumed_from: int | None
    seconds: float
    tokens: int
    loss_tokens: int
    frozen: Frozen
    model: Any = None
    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def train(
    config: Any,
    prepared: Any,
    run: Run,
    callbacks: Sequence[Listener | TrainerCallback] = (),
    *,
    resume: bool = False,
    model: Any = None,
    device: str | None = None,
) -> Outcome:
    """Fine-tune as the settled ``config`` says on ``prepared`` rows; leave checkpoints, metrics and the model in
    ``run``.

    ``callbacks`` are :class:`Listener` objects or transformers' own callbacks. ``resume`` goes on from the newest
    complete checkpoint (from the start when there is none). ``model``: a base that is loaded already (it is changed).
    Ctrl-C and SIGTERM write a checkpoint and then raise KeyboardInterrupt. UserErrors: a disk that fills, settings
    that TRL refuses, memory that does not suffice.
    """
    device = device or device_of(config)
    start = _checkpoint(run, prepared) if resume else None
    publisher = Publisher([MetricsFile(run.metrics), *(c for c in callbacks if isinstance(c, Listener))])
    others = [c for c in callbacks if not isinstance(c, Listener)]
    if (patience := getattr(config.train, "early_stopping_patience", None)) and prepared.validation is not None:
        others.append(EarlyStoppingCallback(early_stopping_patience=patience))
    stop = Stop(publisher.say)
    built = build(
        config, prepared, run, device, [*others, publisher], model=model, resuming=start is not None, stop=stop
    )
    trainer = built.trainer
    publisher.trainer = trainer
    began = time.monotonic()
    with PublishedNote(publisher), quiet(), trainer.stop:
        trainer.train(resume_from_checkpoint=None if start is None else str(start))
    seconds = time.monotonic() - began
    with quiet():
        tuned = _save(trainer, config, prepared, run)
    return _outcome(trainer, publisher, built, start, seconds, tuned)


@dataclass(frozen=True, slots=True)
class Built:
    """A trainer before its first step, what of its model is trained, and what the user should be told."""

    trainer: Trainer
    frozen: Frozen
    notes: list[str]


def build(
    config: Any,
    prepared: Any,
    run: Run,
    device: str,
    callbacks: Sequence[TrainerCallback] = (),
    *,
    model: Any = None,
    resuming: bool = False,
    stop: Stop | None = None,
) -> Built:
    """The trainer of the settled ``config``: model loaded (or ``model``), adapter and frozen parts in place."""
    arguments = _arguments(config, prepared, run, device, resuming)
    # The adapter's start is drawn from here.
    set_seed(arguments.seed)
    with quiet():
        model, frozen, notes = _model(config, prepared, arguments, model)
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=collate_for(prepared.tokenizer.pad_token_id, attention_of(model)),
        train_dataset=rows_for(prepared.train, arguments),
        eval_dataset=_even(prepared.validation, arguments),
        processing_class=prepared.tokenizer,
        callbacks=list(callbacks),
        fingerprint=getattr(prepared, "fingerprint", ""),
        stop=stop,
    )
    return Built(trainer, frozen, notes)


def collate_for(pad_token_id: int, attention: str = "") -> Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]:
    """Our collator: padded rows, or packs where the rows carry ``seq_lengths``.

    FlashAttention (``attention``: the model's implementation) tells documents apart by one row of positions, so packs
    are flattened for it.
    """
    from sanetune.data.collator import Collator

    padded = Collator(pad_token_id, packed=False)
    packed = Collator(pad_token_id, packed=True, flatten="flash" in attention)

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        rows = [{key: value for key, value in row.items() if key != "length"} for row in rows]
        return packed(rows) if "seq_lengths" in rows[0] else padded(rows)

    return collate


def attention_of(model: Any) -> str:
    """The name of the attention implementation that ``model`` runs with, e.g. ``sdpa`` or ``flash_attention_2``."""
    return str(getattr(model.config.get_text_config(), "_attn_implementation", None) or "")


def device_of(config: Any) -> str:
    """Where ``config`` trains: "cpu" where it asks for that, else the best device."""
    return "cpu" if dict(config.train.given).get("use_cpu") else default_device()


def _arguments(config: Any, prepared: Any, run: Run, device: str, resuming: bool) -> Any:
    if len(prepared.train) == 0:
        raise DataError("There are no training rows.", fix="See what was dropped and why: `sanetune data CONFIG`.")
    validation = prepared.validation is not None and len(prepared.validation) > 0
    return training_arguments(config, run, device=device, validation=validation, resume=resuming, lengths=True)


def _model(config: Any, prepared: Any, arguments: Any, model: Any) -> tuple[Any, Frozen, list[str]]:
    section = config.model
    if model is None:
        model = load_model(
            section, dtype=str(train_dtype(section, bf16=bool(arguments.bf16), fp16=bool(arguments.fp16)))
        )
    grown = fit_to_tokenizer(model, prepared.tokenizer)
    model.config.get_text_config().use_cache = False
    notes = [grown] if grown else []
    added = new_tokens(section, prepared.tokenizer) if getattr(section, "adapter", None) is not None else []
    if added:
        notes.append(f"beside the adapter, the rows of {len(added)} added tokens are trained")
    tuned, frozen = make_trainable(model, section, added)
    return tuned, frozen, notes


def _checkpoint(run: Run, prepared: Any) -> Path | None:
    """The checkpoint to go on from, after a look at whether it belongs to this data."""
    checkpoints.sweep(run.checkpoints)
    if (found := checkpoints.latest(run.checkpoints)) is None:
        return None
    stored = checkpoints.read_state(found).get("stateful_callbacks", {}).get("sanetune", {}).get("attributes", {})
    before, now = stored.get("data"), getattr(prepared, "fingerprint", "")
    if before and now and before != now:
        raise RunError(
            f"The prepared data is not what {found.name} was trained on.",
            "Going on would train some rows twice and others never.",
            "Restore the data and its settings, or start a new run (another run.name).",
        )
    return found


def rows_for(rows: Any, arguments: Any) -> Any:
    """The columns that training needs, with each row's length where rows are grouped by it."""
    kept = [name for name in ("input_ids", "labels", "seq_lengths") if name in rows.column_names]
    rows = rows.select_columns(kept)
    if arguments.train_sampling_strategy in ("group_by_length", "batch_rebalance"):
        import pyarrow.compute as pc

        lengths = pc.list_value_length(rows.with_format("arrow")[:]["input_ids"])
        rows = rows.add_column("length", lengths.to_pylist())
    return rows


def _even(rows: Any, arguments: Any) -> Any:
    """Validation rows, so many that every process gets equally many full batches.

    accelerate would repeat real rows to get there, and count them twice; the rows added here have nothing to learn.
    """
    if rows is None or len(rows) == 0:
        return None
    rows = rows_for(rows, arguments)
    whole = arguments.eval_batch_size * arguments.world_size
    short = -len(rows) % whole if arguments.world_size > 1 else 0
    if not short:
        return rows
    from datasets import concatenate_datasets

    shortest = min(range(len(rows)), key=lambda i: len(rows[i]["input_ids"]))
    blank = rows.select([shortest] * short).map(
        lambda row: {"labels": [-100] * len(row["labels"])}, keep_in_memory=True
    )
    return concatenate_datasets([rows, blank.cast(rows.features)])


def _save(trainer: Trainer, config: Any, prepared: Any, run: Run) -> Any:
    """Write the tuned model; returns it without the wrappers of training. None on processes other than the main one."""
    sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped) if sharded else None
    tuned = None
    if trainer.is_world_process_zero():
        model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        # TRL's fused head is bound to the instance; the class's own forward comes back without it.
        base.__dict__.pop("forward", None)
        tuned = save_model(
            model,
            prepared.tokenizer,
            run,
            stop_token_ids=list(getattr(prepared, "stop_token_ids", None) or []),
            state_dict=state,
            reload_base=lambda: _unquantised(config.model, prepared.tokenizer),
        )
    trainer.accelerator.wait_for_everyone()
    return tuned


def _unquantised(section: Any, tokenizer: Any) -> Any:
    model = load_model(section, dtype="bfloat16", device="cpu", quantize=False)
    fit_to_tokenizer(model, tokenizer)
    return model


def _outcome(
    trainer: Trainer,
    publisher: Publisher,
    built: Built,
    start: Path | None,
    seconds: float,
    tuned: Any,
) -> Outcome:
    state = trainer.state
    trained = [r for r in publisher.records if r.kind == "train"]
    validated = [r for r in publisher.records if r.kind == "validation"]
    best = state.best_metric if state.best_metric is not None and math.isfinite(state.best_metric) else None
    tokens, learnt = trainer.tokens_seen()
    return Outcome(
        steps=state.global_step,
        epochs=state.epoch or 0.0,
        train_loss=trained[-1].loss if trained else float("nan"),
        validation_loss=validated[-1].loss if validated else None,
        best_step=state.best_global_step if best is not None else None,
        best_validation_loss=best,
        base_validation_loss=validated[0].loss if validated and validated[0].step == 0 else None,
        stopped_early=state.global_step < state.max_steps,
        resumed_from=None if start is None else checkpoints.step_of(start),
        seconds=seconds,
        tokens=tokens,
        loss_tokens=learnt,
        frozen=built.frozen,
        model=tuned,
        records=publisher.records,
        notes=built.notes,
    )
