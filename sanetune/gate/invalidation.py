"""What still holds after a setting was changed: evidence and findings that a fix need not make again.

Every configuration key is in one group of :data:`sanetune.evidence.registry.GROUPS`. Evidence and checks declare the
groups, or single keys, that they depend on; a change of such a key makes them void.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sanetune.evidence.catalogue import catalogue as declarations
from sanetune.evidence.registry import EVERYTHING, Evidence
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.catalogue import catalogue as checks

SCHEDULE = frozenset(
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
"""Keys that no row, no batch and no single forward or backward pass depends on."""

BATCHES = frozenset(
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
"""Keys that rows do not depend on, but batches or passes through the model do."""


@dataclass(frozen=True, slots=True)
class StillValid:
    """Evidence and findings, by name, that still hold."""

    evidence: Mapping[str, Any] = field(default_factory=dict)
    findings: Mapping[str, Finding] = field(default_factory=dict)


def group_of(key: str) -> str:
    """Return the group of a configuration key; one that is listed nowhere may change rows.

    >>> group_of("train.learning_rate"), group_of("model.dtype"), group_of("data.train")
    ('schedule', 'batches', 'rows')
    """
    if key in SCHEDULE:
        return "schedule"
    return "batches" if key in BATCHES else "rows"


def is_void(depends_on: Collection[str], changed: Iterable[str]) -> bool:
    """Whether a change of the keys ``changed`` makes void what ``depends_on`` these groups and keys."""
    return any(key in depends_on or group_of(key) in depends_on for key in changed)


def still_valid(evidence: Evidence, report: Report, changed: Iterable[str]) -> StillValid:
    """Return what holds after the keys ``changed``.

    Evidence holds where it was built; what depends on every key, such as the model that was loaded, is always built
    again. A finding holds where it was passed: one that is to be acted on, or that was skipped, is made again.
    """
    changed = set(changed)
    kept = {
        declaration.reused_as: evidence.ready(name)
        for name in evidence
        if (declaration := declarations().get(name))
        and declaration.depends_on != EVERYTHING
        and not is_void(declaration.depends_on, changed)
    }
    findings = {
        finding.check: finding
        for finding in report.of(Verdict.PASS)
        if (check := checks().get(finding.check)) and not is_void(check.depends_on, changed)
    }
    return StillValid(kept, findings)
