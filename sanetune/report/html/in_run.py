"""What was found in a run, among the findings of its page: by the watch while it went on, and in its log afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sanetune.finding import Finding
from sanetune.report.html.view import FiredView, RunView


@dataclass(frozen=True, slots=True)
class FoundInRun:
    """A finding about the course of a run.

    Attributes:
        anchor: Id of its place in the page: a check may have found something at several steps.
        finding: What was found.
        when: The step that it is about and that at which it was found, in words.
        answers: What else can be done about it.
        fired: What the watch found, with the rows of the step; None: it is about the whole log.
    """

    anchor: str
    finding: Finding
    when: str
    answers: Sequence[str]
    fired: FiredView | None = None


def found_in_run(run: RunView) -> list[FoundInRun]:
    """Return what the watch found in ``run`` and what its whole log shows, worst first."""
    found = [_of_watch(number, one) for number, one in enumerate(run.fired, 1)]
    found += [_of_log(one) for one in run.findings]
    return sorted(found, key=lambda one: -one.finding.verdict.rank)


def _of_watch(number: int, one: FiredView) -> FoundInRun:
    when = f"at step {one.step:,}" + (f", found at step {one.found_at:,}" if one.found_at > one.step else "")
    return FoundInRun(f"watch-{number}-{one.finding.check}", one.finding, when, one.answers, one)


def _of_log(one: Finding) -> FoundInRun:
    answers = [str(answer.get("words", "")) for answer in one.answers]
    return FoundInRun(f"log-{one.check}", one, "in the log of the run", answers)
