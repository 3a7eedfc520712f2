"""Curves for tests of the curve checks, and what the checks say about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.evidence.registry import Evidence
from sanetune.finding import Finding, Verdict
from sanetune.gate.catalogue import catalogue
from sanetune.gate.runner import Rules, run

CHECKS = [check for check in catalogue().values() if check.needs == ("curve",)]


def found(curve: Curve, **limits: dict[str, Any]) -> dict[str, Finding]:
    """Every curve check's finding by the name behind ``curve-``; no check may crash."""
    rules = Rules({f"curve-{name.replace('_', '-')}": values for name, values in limits.items()})
    findings = {one.check.removeprefix("curve-"): one for one in run(CHECKS, Evidence({}, {"curve": curve}), rules)}
    for one in findings.values():
        assert one.verdict is not Verdict.CRASH, one.traceback
    return findings


def bad(curve: Curve) -> dict[str, str]:
    """The checks that warn or fail, with the verdict."""
    every = found(curve).items()
    return {name: one.verdict.value for name, one in every if one.verdict in (Verdict.WARN, Verdict.FAIL)}


def points(losses: Sequence[float], every: int = 1, **more: Any) -> list[Point]:
    """A training point for each loss; ``more``: one value for all, or a row of them."""
    rows = {key: value if isinstance(value, list) else [value] * len(losses) for key, value in more.items()}
    return [Point((i + 1) * every, loss, **{key: row[i] for key, row in rows.items()}) for i, loss in enumerate(losses)]


def evaluations(losses: Sequence[float], every: int = 50, rows: int = 20) -> list[Evaluation]:
    """Evaluations of ``rows`` rows around each loss, 20 tokens each; ``rows`` 0: their losses are not known."""
    if not rows:
        return [Evaluation(i * every, loss) for i, loss in enumerate(losses)]
    hard = [0.6 + 0.8 * row / (rows - 1) for row in range(rows)]
    return [Evaluation.of(i * every, [20 * loss * one for one in hard], [20] * rows) for i, loss in enumerate(losses)]
