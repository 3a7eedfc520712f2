"""Judge the curve of a run while it grows, with the checks of the catalogue.

Which checks may find something before a run is over is said by each of them (``LIVE``). All are asked seldom while
nothing happens, and at once and then again when a loss is unlike those before it: so the cost does not grow with the
run, and a fault is found within :data:`FOLLOW` steps.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sanetune.checks.base import Basis, Check
from sanetune.curves.growing import GrowingCurve
from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.engine.watcher import Course
from sanetune.evidence.registry import Evidence
from sanetune.finding import REFUSING, Finding, Measurement, Verdict
from sanetune.gate.catalogue import chosen
from sanetune.gate.runner import Rules, run
from sanetune.gate.watch_patience import APART, Seen, is_too_early

EVIDENCE = "curve"
SOURCE = "the run so far"
EVERY = 5
"""Steps that are handed over together; the losses of a GPU are read as often, not at each step."""
SPARSE = 0.05
"""Of the steps made, after which the checks are asked again where nothing happens; at least :data:`EVERY`."""
FOLLOW = 20
"""Steps for which the curve is followed closely after a loss that was unlike those before it."""
NEIGHBOURS = 17
"""Losses whose median tells what is usual."""
UNUSUAL = 1.25
"""Times that median: half the rise that curve-diverged warns of, and below the 1.8 times of a spike."""
MOST = 5
"""Findings of one check, at most."""


@dataclass(frozen=True, slots=True)
class LiveFinding:
    """A finding of a run that is going on.

    Attributes:
        step: Optimizer steps done when it was found.
        at: The step whose rows show it; None: it is not about single steps.
        finding: What was found.
        of: The validation set that it is about, where that is not the one that decides.
    """

    step: int
    at: int | None
    finding: Finding
    of: str = ""

    @property
    def turns(self) -> bool:
        """Whether its own fix is an earlier checkpoint of this run."""
        return self.finding.fix.get("train.load_best_model_at_end") is True


def live_checks(select: Sequence[str] = (), ignore: Sequence[str] = ()) -> list[Check]:
    """Return the checks of a curve that may find something while it grows.

    Args:
        select: Names of checks or families; none that has such a check: all.
        ignore: Names that are left out.
    """
    live = [check for check in chosen(list(select), list(ignore), "trial") if check.live]
    # A selection for the gate (`labels`) says nothing about the watch.
    return live or [check for check in chosen([], list(ignore), "trial") if check.live]


class Watch:
    """Judges a growing curve. What it finds has to be there twice in a row, the second time with new evidence, unless
    it is exact (:data:`sanetune.checks.base.Live`).

    Args:
        facts: What is known of the run beside its course (:class:`sanetune.curves.growing.GrowingCurve`).
        checks: Those that judge; see :func:`live_checks`.
        rules: The user's limits and severities.
    """

    def __init__(self, facts: Curve, checks: Iterable[Check], rules: Rules | None = None) -> None:
        self.curve = GrowingCurve(facts)
        self.rules = rules or Rules()
        self.found: list[LiveFinding] = []
        self.asked = 0
        """How often the checks were asked."""
        self._checks = [check for check in checks if check.live and self.rules.severity.get(check.name) != "off"]
        self._at = {check.name: check.at for check in self._checks}
        self._usual = _Usual()
        self._exact = {check.name for check in self._checks if check.live == "exact"}
        self._basis = {check.name: check.basis for check in self._checks if check.basis}
        self._seen: dict[str, Seen] = {}
        self._next = 2 * EVERY
        self._follow_until = -1

    def steps(self, points: Sequence[Point]) -> list[LiveFinding]:
        """Take the steps since the last call, and return what is newly found."""
        for point in points:
            if self._usual.unlike(point.loss) or not _sound(point.grad_norm):
                self._follow_until = point.step + FOLLOW
        self.curve.add(points)
        step = self.curve.step
        if step < self._next and step > self._follow_until:
            return []
        return self._ask()

    def evaluated(self, evaluation: Evaluation) -> list[LiveFinding]:
        """Take an evaluation, and return what is newly found."""
        self.curve.evaluated(evaluation)
        return self._ask()

    def restore(self, points: Sequence[Point], evaluations: Sequence[Evaluation], found: Sequence[LiveFinding]) -> None:
        """Take over what an earlier part of the run has made and found; nothing of it is judged again."""
        self.curve.add(points)
        for evaluation in evaluations:
            self.curve.evaluated(evaluation)
        self.restored(found)

    def restored(self, found: Sequence[LiveFinding]) -> None:
        """Go on from the curve as it is now, with what was found so far."""
        for point in self.curve.last:
            self._usual.unlike(point.loss)
        self.found = list(found)
        self._next = self.curve.step + 2 * EVERY

    def _ask(self) -> list[LiveFinding]:
        """Ask the checks; what they found the last time, too, by less evidence, is found."""
        self.asked += 1
        step = self.curve.step
        self._next = step + max(EVERY, int(SPARSE * step))
        bad: dict[str, Finding] = {}
        for finding in filter(self._is_ripe, self._judged()):
            kept = bad.get(finding.check)
            if kept is None or finding.verdict.rank > kept.verdict.rank:
                bad[finding.check] = finding
        seen = {name: self._seen_at(step, one) for name, one in bad.items()}
        new = [self._live(one) for name, one in bad.items() if self._again(name, seen[name])]
        if any(name not in self._seen for name in bad):
            self._next = step + 1
        # The first of those that rest on the same is kept, and waits for what is new.
        self._seen = {
            name: before if (before := self._seen.get(name)) and before.rests_on_the_same_as(one) else one
            for name, one in seen.items()
        }
        fired = [one for one in new if self._is_news(one)]
        self.found += fired
        return fired

    def _judged(self) -> list[Finding]:
        """What warns or fails on the last steps or on the whole curve."""
        findings = []
        if self.curve.width > 1:
            recent = [check for check in self._checks if check.live == "recent"]
            findings += run(recent, Evidence({}, {EVIDENCE: self.curve.recent()}), self.rules)
        findings += run(self._checks, Evidence({}, {EVIDENCE: self.curve.whole()}), self.rules)
        if self.curve.evaluations:
            # Evaluations are rare: a loss that explodes between two of them is told by the steps.
            rising = [check for check in self._checks if check.basis and check.live == "recent"]
            findings += run(rising, Evidence({}, {EVIDENCE: self.curve.trained()}), self.rules)
        return [one for one in findings if one.verdict in (Verdict.WARN, Verdict.FAIL)]

    def _seen_at(self, step: int, finding: Finding) -> Seen:
        apart = APART if finding.check in self._basis else 1
        return Seen(finding.verdict, step, self._basis_of(finding), apart)

    def _basis_of(self, finding: Finding) -> Basis | None:
        basis = self._basis.get(finding.check)
        return basis(Measurement(finding.numbers), finding.limits) if basis else None

    def _is_ripe(self, finding: Finding) -> bool:
        return finding.check not in self._basis or not is_too_early(finding, self._basis_of(finding), self.curve)

    def _again(self, name: str, now: Seen) -> bool:
        if name in self._exact:
            return True
        before = self._seen.get(name)
        return before is not None and not before.rests_on_the_same_as(now) and before.is_confirmed_by(now)

    def _live(self, finding: Finding) -> LiveFinding:
        at = self._at[finding.check]
        return LiveFinding(self.curve.step, at(Measurement(finding.numbers)) if at else None, finding)

    def _is_news(self, live: LiveFinding) -> bool:
        """Whether it is the first of its check, worse than those before it, or about another step."""
        same = [one for one in self.found if one.finding.check == live.finding.check]
        if len(same) >= MOST:
            return False
        worse = all(one.finding.verdict.rank < live.finding.verdict.rank for one in same)
        return worse or (live.at is not None and all(one.at != live.at for one in same))


def course_of(findings: Iterable[LiveFinding], mode: str) -> Course:
    """Return what becomes of a run with new ``findings``, where ``check.watch`` is ``mode``."""
    failed = [one for one in findings if one.finding.verdict in REFUSING]
    if mode != "stop" or not failed:
        return Course.ON
    return Course.TURN if all(one.turns for one in failed) else Course.STOP


@dataclass(slots=True)
class _Usual:
    """Tells a loss that is unlike those before it, in a few microseconds."""

    last: deque[float] = field(default_factory=lambda: deque(maxlen=NEIGHBOURS))
    ordered: list[float] = field(default_factory=list)
    lowest: float = math.inf

    def unlike(self, loss: float) -> bool:
        """Whether ``loss`` is no number, 0, far above the median of those before it, or that median has risen."""
        if not math.isfinite(loss) or loss == 0:
            return True
        middle = self.ordered[len(self.ordered) // 2] if self.ordered else loss
        if len(self.last) == NEIGHBOURS:
            del self.ordered[bisect_left(self.ordered, self.last[0])]
            self.lowest = min(self.lowest, middle)
        self.last.append(loss)
        insort(self.ordered, loss)
        return len(self.last) > 2 and (loss > UNUSUAL * middle or middle > UNUSUAL * self.lowest)


def _sound(norm: float | None) -> bool:
    return norm is None or math.isfinite(norm)
