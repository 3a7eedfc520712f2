"""What a changed setting leaves as it was: evidence and findings that need not be made again after a fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sanetune.evidence.registry import Evidence
from sanetune.finding import Finding, Report, Verdict

RATE = frozenset(
    f"train.{key}"
    for key in (
        "learning_rate",
        "lr_scheduler_type",
        "lr_scheduler_kwargs",
        "warmup_steps",
        "weight_decay",
        "num_train_epochs",
        "max_steps",
        "eval_strategy",
        "eval_steps",
        "save_strategy",
        "save_steps",
        "save_total_limit",
        "load_best_model_at_end",
        "metric_for_best_model",
        "greater_is_better",
        "logging_steps",
        "logging_strategy",
        "early_stopping_patience",
        "report_to",
    )
) | {"run.trackers", "budget.max_usd", "budget.max_hours"}
"""Settings that no row, no batch and no single forward or backward pass depends on."""

BATCH = frozenset(
    {
        "train.per_device_train_batch_size",
        "train.per_device_eval_batch_size",
        "train.gradient_accumulation_steps",
        "train.max_grad_norm",
        "train.bf16",
        "train.fp16",
        "train.activation_checkpointing",
        "train.gradient_checkpointing",
        "model.dtype",
        "model.attention",
    }
)
"""Settings that rows do not depend on, but batches or passes through the model do."""

ROWS = (
    "tokenizer",
    "template",
    "read_sources",
    "rows",
    "conversations",
    "preparation",
    "refused_rows",
    "prepared",
    "data_loss",
    "stop_tokens",
    "saved_template",
    "role_derivation",
    "lost_texts",
    "token_roles",
)
"""Evidence about rows, up to their tokens and labels."""
PASSES = ("batch_stats", "critical_lr")
"""Evidence that batches and model decide, whatever the rate."""

AFRESH = ("config", "curve", "samples", "model-update-lost", "model-rate-critical", "model-pairs-shuffled", "machine")
"""Families and checks that settings of RATE decide."""
OF_ROWS = ("rows", "template", "tokens", "labels")


@dataclass(frozen=True, slots=True)
class StillValid:
    """Evidence and findings, by name, that still hold."""

    evidence: Mapping[str, Any] = field(default_factory=dict)
    findings: Mapping[str, Finding] = field(default_factory=dict)


def carried(evidence: Evidence, report: Report, changed: Iterable[str]) -> StillValid:
    """What holds after the settings ``changed``. Only what was there; a finding that is to be acted on, or that could
    not be looked at, is always made again."""
    keys = set(changed)
    if not keys <= RATE | BATCH:
        return StillValid()
    only_rate = keys <= RATE
    names = ROWS + (PASSES if only_rate else ())
    kept = {name: value for name in names if (value := evidence.ready(name)) is not None}
    if only_rate and (overfit := evidence.ready("overfit")) is not None:
        kept["overfit"] = overfit
    if only_rate and "train.weight_decay" not in keys and (comparison := evidence.ready("lr_comparison")) is not None:
        kept["previous_lr_comparison"] = comparison
    findings = {
        finding.check: finding
        for finding in report.of(Verdict.PASS)
        if (not _afresh(finding.check) if only_rate else finding.check.split("-")[0] in OF_ROWS)
    }
    return StillValid(kept, findings)


def _afresh(check: str) -> bool:
    return check in AFRESH or check.split("-")[0] in AFRESH
