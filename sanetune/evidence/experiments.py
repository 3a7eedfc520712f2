"""Overfit, branches, trial, samples and forecast as plain values: what reports show and files keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sanetune.evidence.registry import Evidence

if TYPE_CHECKING:
    from sanetune.curves.series import Curve, Evaluation
    from sanetune.engine.generate import Answer
    from sanetune.probes.lr_comparison import LearningRateComparison
    from sanetune.probes.overfit import Overfit
    from sanetune.probes.samples import Samples
    from sanetune.probes.trial import Trial


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
        "wanted": found.wanted,
        "tries": [asdict(one) for one in found.tries],
        "planned": asdict(found.planned) if found.planned else None,
        "replies": [asdict(one) for one in found.replies],
    }


def _branches(found: LearningRateComparison) -> dict[str, Any]:
    return {
        "planned": found.planned,
        "steps": found.steps,
        "start_loss": found.start.loss,
        "branches": [{"rate": one.rate, "losses": one.losses, "held_loss": one.look.loss} for one in found.branches],
    }


def _trial(found: Trial) -> dict[str, Any]:
    return {
        "wanted": found.wanted,
        "done": found.done,
        "stopped": found.stopped,
        "held_from": found.held_from,
        "curve": _curve(found.curve),
        "timing": asdict(found.timing),
    }


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "steps": [point.step for point in curve.points],
        "losses": [point.loss for point in curve.points],
        "rates": [point.rate for point in curve.points],
        "grad_norms": [point.grad_norm for point in curve.points],
        "held": _looks(curve.held),
        "probe": _looks(curve.probe),
        "weight_norms": curve.weight_norms,
        "total_steps": curve.total_steps,
        "planned_rate": curve.planned_rate,
    }


def _looks(looks: Iterable[Evaluation]) -> list[list[float]]:
    return [[one.step, one.loss] for one in looks]


def _samples(found: Samples) -> dict[str, Any]:
    return {
        "steps": found.steps,
        "most_tokens": found.most_tokens,
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
