"""Watch the validation sets of a run beside the one that decides: what they show is said, and ends nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sanetune.checks.base import Check
from sanetune.curves.growing import GrowingCurve
from sanetune.curves.series import Evaluation
from sanetune.finding import Measurement, Verdict
from sanetune.gate.runner import Rules
from sanetune.gate.validation_sets import of_other_set
from sanetune.gate.watch import LiveFinding, Watch


class WatchedSets:
    """Judges each set by the checks of a rise, on the curve of the run with the evaluations of that set.

    Args:
        curve: The run so far, which somebody else lets grow.
        checks: Those that judge the set that decides; of them the ones about rises that rest on evaluations.
        rules: The user's limits and severities.
    """

    def __init__(self, curve: GrowingCurve, checks: Iterable[Check], rules: Rules | None = None) -> None:
        self._curve, self._rules = curve, rules
        self._checks = {check.name: check for check in checks if check.basis}
        self._watches: dict[str, Watch] = {}

    @property
    def evaluations(self) -> dict[str, list[Evaluation]]:
        """The evaluations of each set so far."""
        return {name: watch.curve.evaluations for name, watch in self._watches.items()}

    def named(self, found: Sequence[LiveFinding], name: str) -> list[LiveFinding]:
        """Return what was found on the set that decides with its name, where there are others."""
        if not self._watches:
            return list(found)
        return [
            replace(one, finding=replace(one.finding, message=f"{name}: {one.finding.message}"))
            if self._rests_on(one)
            else one
            for one in found
        ]

    def evaluated(self, sets: Mapping[str, Evaluation]) -> list[LiveFinding]:
        """Take an evaluation of each of ``sets``, and return what is newly found."""
        found = []
        for name, evaluation in sets.items():
            watch = self._of(name)
            new = [live for live in watch.evaluated(evaluation) if self._rests_on(live)]
            found += [replace(live, finding=of_other_set(name, live.finding), of=name) for live in new]
        return found

    def restore(self, sets: Mapping[str, Sequence[Evaluation]], found: Iterable[LiveFinding]) -> None:
        """Take over what an earlier part of the run has evaluated and found; nothing of it is judged again."""
        found = list(found)
        for name, evaluations in sets.items():
            watch = self._of(name)
            watch.curve.evaluations += evaluations
            # They were failures or warnings; neither is news a second time.
            watch.restored(
                [replace(one, finding=replace(one.finding, verdict=Verdict.FAIL)) for one in found if one.of == name]
            )

    def _of(self, name: str) -> Watch:
        """The watch of a set, whose curve has the steps of the run until now."""
        watch = self._watches.setdefault(name, Watch(self._curve.facts, self._checks.values(), self._rules))
        now = copy.copy(self._curve)
        now.evaluations = watch.curve.evaluations
        watch.curve = now
        return watch

    def _rests_on(self, live: LiveFinding) -> bool:
        """Whether it is about evaluations: what the steps show is found on the set that decides."""
        check = self._checks.get(live.finding.check)
        basis = check.basis if check else None
        return basis is not None and basis(Measurement(live.finding.numbers), live.finding.limits) is not None
