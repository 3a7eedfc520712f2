"""The numbers of a run that a configuration describes, taken from its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.evidence.run_settings import (
    DataSettings,
    ModelSettings,
    MonitoringSettings,
    RunSettings,
)
from sanetune.planning.defaults import method_of

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.planning.plan import Plan


def settings_of(plan: Plan, prepared: Prepared) -> RunSettings:
    """The run of ``plan`` in numbers; ``prepared`` are its rows."""
    config = plan.config
    return RunSettings(
        _model(plan, len(prepared.tokenizer)),
        plan.sizes.machine,
        plan.steps,
        _data(plan, prepared),
        _monitoring(plan),
        {key: value for key, value in config.train.given.items() if _by_user(plan, key)},
    )


def _model(plan: Plan, tokens: int) -> ModelSettings:
    """``tokens``: ids of the tokenizer, to which the embedding is enlarged where it has fewer rows."""
    section, train, sizes = plan.config.model, plan.config.train, plan.sizes.model
    return ModelSettings(
        name=section.name,
        method=method_of(plan.config),
        parameters=sizes.parameters,
        trainable=sizes.trainable,
        hidden=sizes.hidden,
        context=sizes.context or None,
        embedding_rows=max(sizes.vocabulary, tokens),
        stored_dtype=sizes.stored_dtype,
        weights_dtype=section.dtype,
        bf16=bool(train.value("bf16")),
        fp16=bool(train.value("fp16")),
        revision=section.revision,
        trust_remote_code=section.trust_remote_code,
    )


def _data(plan: Plan, prepared: Prepared) -> DataSettings:
    train, validation = prepared.stats["train"], prepared.stats.get("validation", {})
    return DataSettings(
        train_examples=int(train["examples"]),
        validation_examples=int(validation.get("examples", 0)),
        not_held_out=str(prepared.stats.get("not_held_out", "")),
        train_tokens=int(train["tokens"]),
        loss_tokens=int(train["loss_tokens"]),
        loss_on=plan.config.data.loss_on,
        max_length=prepared.max_length,
        packing=prepared.packed,
        grouped_by_length=plan.config.train.value("train_sampling_strategy") == "group_by_length",
        sequential=plan.config.train.value("train_sampling_strategy") == "sequential",
    )


def _monitoring(plan: Plan) -> MonitoringSettings:
    train = plan.config.train
    limit = train.value("save_total_limit")
    return MonitoringSettings(
        eval_strategy=str(train.value("eval_strategy")),
        save_strategy=str(train.value("save_strategy")),
        save_total_limit=None if limit is None else int(limit),
        load_best=bool(train.value("load_best_model_at_end")),
        metric=train.value("metric_for_best_model"),
        trackers=tuple(plan.config.run.trackers),
    )


def _by_user(plan: Plan, key: str) -> bool:
    origin = plan.config.origins.get(f"train.{key}")
    return origin is not None and origin.by_user
