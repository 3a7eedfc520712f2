"""All states by name, in the order in which a run without any trouble goes through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sanetune.workflows.auto.decision import Decision
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states import (
    adopt,
    advise,
    check,
    clean,
    clearance,
    compare,
    ended,
    failed,
    inspection,
    judge,
    plan,
    report,
    sweep,
    train,
    verdict,
)

STATES: Mapping[str, Callable[[Known], Decision]] = {
    "inspect": inspection.decide,
    "clean": clean.decide,
    "plan": plan.decide,
    "check": check.decide,
    "clearance": clearance.decide,
    "advise": advise.decide,
    "sweep": sweep.decide,
    "adopt": adopt.decide,
    "train": train.decide,
    "ended": ended.decide,
    "compare": compare.decide,
    "judge": judge.decide,
    "verdict": verdict.decide,
    "failed": failed.decide,
    "report": report.decide,
}
"""State -> its function."""
