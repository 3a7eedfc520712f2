"""How long a growing curve is left alone: a rise of which nobody can know yet whether it comes back is no finding.

With a fresh optimizer at the full learning rate the held-out loss of a healthy run rises at first, and comes back below
its start. So what rests on evaluations waits, unless it is beyond any such rise, and is said only when another
evaluation says it too, no lower than the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

from sanetune.checks.base import Basis
from sanetune.curves.changes import peak_step, rises_throughout
from sanetune.curves.growing import GrowingCurve
from sanetune.finding import Finding, Verdict

STEPS = 50
"""Steps after warm-up. Held-out losses of healthy short runs (docs/curves.md, part A) that rose above their start by up
to 15 % were highest at steps 20 and 34, and fell from then on."""
SHARE = 0.1
"""Of the planned steps, likewise: as long as the longest of the usual warm-ups (published recipes: 3 to 10 %)."""
EVALUATIONS = 3
"""Evaluations after warm-up: two of them cannot tell a rise from one that turns back."""
APART = 5
"""Steps between two judgements of a rise of the training loss, whose level is that of several; what each step shows by
itself, as that it is no number, is new with the next one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check found at one moment.

    Attributes:
        verdict: Its verdict.
        step: Optimizer steps done.
        basis: The evaluation that it rests on; None: on training losses.
        apart: Steps after which training losses are new evidence.
    """

    verdict: Verdict
    step: int
    basis: Basis | None
    apart: int = 1

    def rests_on_the_same_as(self, later: Seen) -> bool:
        """Whether ``later`` has no evidence that this one did not have."""
        if self.basis and later.basis:
            return self.basis.step == later.basis.step
        return self.basis is None and later.basis is None and later.step - self.step < self.apart

    def is_confirmed_by(self, later: Seen) -> bool:
        """Whether ``later`` says as much, and the loss is not on its way back."""
        back = self.basis is not None and later.basis is not None and later.basis.loss < self.basis.loss
        return self.verdict.rank >= later.verdict.rank and not back


def is_too_early(finding: Finding, basis: Basis | None, curve: GrowingCurve) -> bool:
    """Return whether nobody can know yet if a rise of the loss will come back.

    Args:
        finding: Of a check that says what it rests on (:data:`sanetune.checks.base.Check.basis`).
        basis: The evaluation that it rests on; None: training losses, whose failures do not wait: at half above its
            start a training loss is beyond the rises that come back.
        curve: The run so far.
    """
    if basis is None:
        return finding.verdict is Verdict.WARN and curve.step < _until(curve)
    if not basis.lasting:
        return True
    return not basis.beyond and (basis.step < _until(curve) or _evaluations(curve) < EVALUATIONS)


def _until(curve: GrowingCurve) -> float:
    planned = curve.facts.total_steps or 0
    return _warm(curve) + max(STEPS, SHARE * planned)


def _evaluations(curve: GrowingCurve) -> int:
    warm = _warm(curve)
    return sum(one.step > warm for one in curve.evaluations)


def _warm(curve: GrowingCurve) -> int:
    whole = curve.whole()
    return curve.step if whole.warmup_steps is None and rises_throughout(whole) else peak_step(whole)
