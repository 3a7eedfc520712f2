"""Overfit, branches, trial, samples and forecast as plain values: what reports show and files keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sanetune.evidence.registry import Evidence

if TYPE_CHECKING:
    from sanetune.curves.series import Curve, Evaluation
    from sanetune.engine.answer import Answer
    from sanetune.probes.results import LearningRateComparison, Overfit, Samples, Trial


KEYS = {"lr_comparison": "branches"}
"""Keys of the stored form that differ from the name of the evidence: files of earlier runs have them."""


def proof_of(evidence: Evidence) -> dict[str, Any]:
    """What of it was made; nothing is made for it. Numbers that are none are the texts "NaN" and "Infinity": JSON has
    no others."""
    makers: dict[str, Callable[[Any], Any]] = {
        "overfit": _overfit,
        "lr_comparison": _branches,
        "trial": _trial,
        "samples": _samples,
        "forecast": asdict,
    }
    made = {
        KEYS.get(name, name): make(value)
        for name, make in makers.items()
        if (value := evidence.ready(name)) is not None
    }
    plain: dict[str, Any] = finite(made)
    return plain


def finite(value: Any) -> Any:
    """``value`` with texts for numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def _overfit(found: Overfit) -> dict[str, Any]:
    return {
        "examples": found.examples,
        "loss_tokens": found.loss_tokens,
        "wanted": found.target_loss,
        "tries": [{"rate": one.lr, "losses": one.losses} for one in found.attempts],
        "planned": {"rate": one.lr, "losses": one.losses} if (one := found.at_planned_lr) else None,
        "replies": [
            {
                "prompt": one.prompt,
                "expected": one.expected,
                "written": one.written,
                "same": one.exact,
                "agreed": one.matching_tokens,
                "wanted": one.expected_tokens,
                "ended": one.ended,
            }
            for one in found.replies
        ],
    }


def _branches(found: LearningRateComparison) -> dict[str, Any]:
    return {
        "planned": found.planned_lr,
        "steps": found.steps,
        "start_loss": found.start.loss,
        "branches": [{"rate": one.lr, "losses": one.losses, "held_loss": one.evaluation.loss} for one in found.runs],
    }


def _trial(found: Trial) -> dict[str, Any]:
    return {
        "wanted": found.planned_steps,
        "done": found.steps,
        "stopped": found.stopped,
        "held_from": found.validation_split,
        "curve": _curve(found.curve),
        "timing": asdict(found.timing),
    }


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "steps": [point.step for point in curve.points],
        "losses": [point.loss for point in curve.points],
        "rates": [point.lr for point in curve.points],
        "grad_norms": [point.grad_norm for point in curve.points],
        "held": _looks(curve.validation),
        "probe": _looks(curve.fixed_batch),
        "weight_norms": curve.weight_norms,
        "total_steps": curve.total_steps,
        "planned_rate": curve.planned_lr,
    }


def _looks(looks: Iterable[Evaluation]) -> list[list[float]]:
    return [[one.step, one.loss] for one in looks]


def _samples(found: Samples) -> dict[str, Any]:
    return {
        "steps": found.steps,
        "max_new_tokens": found.max_new_tokens,
        "samples": [
            {
                "messages": one.messages,
                "reference": one.reference,
                "base": _answer(one.base),
                "tuned": _answer(one.tuned),
                "split": one.split,
                "number": one.number,
            }
            for one in found.samples
        ],
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {"text": answer.text, "ended": answer.ended, "tokens": answer.tokens, "note": answer.note}
