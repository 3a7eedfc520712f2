"""Judge a curve that has several validation sets: all of them, where each finding says which set it is about.

The set that decides which checkpoint is best is judged as the only one would be. Of the others nothing more than a
warning comes: rows of another kind than the task's may well get worse while it is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sanetune.curves.series import Curve
from sanetune.finding import BAD, Finding, Verdict


def judge_sets(run: Callable[[Curve], Sequence[Finding]], curve: Curve) -> list[Finding]:
    """Return what the checks find on ``curve`` with each of its validation sets, one finding for each check.

    Args:
        run: Runs the checks on a curve with one set.
        curve: The curve with all of them.
    """
    (first, alone), *others = curve.by_set()
    found = run(alone)
    sets = {name: {one.check: one for one in run(other)} for name, other in others}
    merged = [_merged(first, finding, {name: some[finding.check] for name, some in sets.items()}) for finding in found]
    return sorted(merged, key=lambda one: -one.verdict.rank)


def of_other_set(name: str, finding: Finding) -> Finding:
    """Return what was found on a set that does not decide, as such: its loss has no say in what becomes of the run."""
    verdict = Verdict.WARN if finding.verdict is Verdict.FAIL else finding.verdict
    return replace(finding, verdict=verdict, message=f"{name}: {finding.message}", fix={})


def _merged(first: str, finding: Finding, others: Mapping[str, Finding]) -> Finding:
    """The worst of the findings of one check; what no set changes is about none of them."""
    differ = {name: one for name, one in others.items() if one.message != finding.message}
    if not differ:
        return finding
    named = [replace(finding, message=f"{first}: {finding.message}")]
    named += [of_other_set(name, one) for name, one in differ.items()]
    worst = max(named, key=lambda one: one.verdict.rank)
    also = [one.message.split(":")[0] for one in named if one is not worst and one.verdict is worst.verdict]
    more = f" (so does {', '.join(also)})" if also and worst.verdict in BAD else ""
    return replace(worst, message=f"{worst.message}{more}")
