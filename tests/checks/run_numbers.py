"""A sound run in numbers, to be broken in one place by each test; and a check run as the gate runs it."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from sanetune.config.machine import Machine
from sanetune.evidence.registry import Evidence
from sanetune.evidence.run_settings import (
    DataSettings,
    ModelSettings,
    MonitoringSettings,
    RunSettings,
)
from sanetune.finding import Finding
from sanetune.gate.catalogue import catalogue
from sanetune.gate.runner import Rules, run
from sanetune.planning.steps import StepPlan


def numbers(**changed: Any) -> RunSettings:
    """SmolLM2-135M on 1,000 rows, every value sound."""
    values: dict[str, Any] = {
        "name": "HuggingFaceTB/SmolLM2-135M",
        "method": "full",
        "parameters": 134_515_008,
        "trainable": 134_515_008,
        "hidden": 576,
        "context": 8192,
        "embedding_rows": 49_152,
        "stored_dtype": "bfloat16",
        "weights_dtype": "float32",
        "revision": None,
        "trust_remote_code": False,
        "device": "cuda",
        "has_bf16": True,
        "devices": 1,
        "learning_rate": 1.3e-4,
        "scheduler": "cosine",
        "warmup_steps": 19,
        "total_steps": 189,
        "steps_per_epoch": 63,
        "epochs": 3.0,
        "per_device": 8,
        "accumulation": 2,
        "effective": 16,
        "last_step_batches": 1,
        "bf16": True,
        "fp16": False,
        "logging_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": 20,
        "save_strategy": "steps",
        "save_steps": 20,
        "save_total_limit": 3,
        "load_best": True,
        "metric": "eval_loss",
        "trackers": ("tensorboard",),
        "train_examples": 1_000,
        "validation_examples": 100,
        "train_tokens": 250_000,
        "loss_tokens": 120_000,
    }
    return run_settings(**(values | changed))


PARTS = {
    "model": ModelSettings,
    "machine": Machine,
    "steps": StepPlan,
    "data": DataSettings,
    "monitoring": MonitoringSettings,
}


def run_settings(given: dict[str, Any] | None = None, **values: Any) -> RunSettings:
    """Settings with these values, each in its part; the others are None, or the part's defaults."""
    made = {}
    for part, kind in PARTS.items():
        empty = {field.name: None for field in fields(kind) if _is_required(field)}
        made[part] = kind(
            **(empty | {field.name: values[field.name] for field in fields(kind) if field.name in values})
        )
    unknown = values.keys() - {field.name for kind in PARTS.values() for field in fields(kind)}
    assert not unknown, unknown
    return RunSettings(**made, given=given or {})


def _is_required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def find(name: str, limits: dict[str, Any] | None = None, **evidence: Any) -> Finding:
    """What the check ``name`` finds in ``evidence``, with other ``limits``."""
    check = catalogue()[name]
    return run([check], Evidence({}, evidence), Rules(limits={name: limits or {}}))[0]
