"""The proof that a configuration, its data and its model passed the gate, or the reason why they were not checked.

Training starts only with one that fits. Any difference from its fingerprint voids it, even a patch release of a
library: such releases have changed losses before, and what was checked was other code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

from sanetune import units
from sanetune.commands import filled
from sanetune.errors import ConfigError
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.catalogue import catalogue
from sanetune.gate.fingerprint import Fingerprint

LONGEST = 1_000
"""Characters of a reason, and of a finding's message and remedy."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """How one check came out."""

    check: str
    verdict: Verdict
    message: str
    version: int = 1
    """Version of the check (see :mod:`sanetune.checks.base`)."""
    remedy: str = ""
    """What to do, where it is not what the check's page says."""


@dataclass(frozen=True, slots=True)
class Verification:
    """How a server or a file compared with the trained model (`sanetune verify`)."""

    name: str
    """The file, or the server and its address."""
    verdict: Verdict
    made: str
    """When, in UTC."""
    message: str
    """How many checks passed, and which found something."""

    @property
    def summary(self) -> str:
        """One line."""
        words = {Verdict.PASS: "is the trained model", Verdict.WARN: "is the trained model, with warnings"}
        return (
            f"served: {self.name} {words.get(self.verdict, 'is not the trained model')} ({self.made}: {self.message})"
        )


@dataclass(frozen=True, slots=True)
class Clearance:
    """What was checked, and how it came out; stored in the run."""

    fingerprint: Fingerprint
    verdict: Literal["pass", "warn", "unchecked"]
    """``unchecked``: somebody trained without a check."""
    level: Literal["static", "probe", "trial", ""]
    """Level of the check; "" where there was none."""
    made: str
    """When, in UTC."""
    seconds: float = 0.0
    """What the check took."""
    findings: list[CheckOutcome] = field(default_factory=list)
    served: list[Verification] = field(default_factory=list)
    """What was verified of the trained model since, newest last."""
    unchecked: str = ""
    """The reason to train without a check. Beside another verdict: the run began so, and was cleared later."""
    schema: Literal[2] = 2
    """Raised with every change after which earlier files prove nothing. 2: versions of checks."""
    experiments: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Results of the report's experiments, on their way into a file of their own; one that was read has none."""

    @property
    def proves(self) -> bool:
        """Whether anything was checked."""
        return self.verdict != "unchecked"

    def of(self, verdict: Verdict) -> list[CheckOutcome]:
        """Return the outcomes with this verdict."""
        return [outcome for outcome in self.findings if outcome.verdict == verdict]

    @property
    def summary(self) -> str:
        """One line: level, counts and time; or that nothing was checked, with the reason as it was given."""
        if not self.proves:
            return f"not checked: {self.unchecked}"
        words = {Verdict.PASS: "passed", Verdict.WARN: "warned", Verdict.SKIP: "skipped"}
        counts = ", ".join(f"{len(self.of(verdict)):,} {word}" for verdict, word in words.items() if self.of(verdict))
        began = f"; its first steps were not checked: {self.unchecked}" if self.unchecked else ""
        took = f", in {units.seconds(self.seconds)}" if self.seconds else ""
        return f"cleared at level {self.level} on {self.made}{took}: {counts or 'no check'}{began}"


def cleared(report: Report, fingerprint: Fingerprint) -> Clearance:
    """Return the clearance that a passed check gives.

    Raises:
        ValueError: The check failed.
    """
    if report.verdict not in (Verdict.PASS, Verdict.WARN):
        raise ValueError("a check that failed proves nothing")
    verdict: Literal["pass", "warn"] = "warn" if report.verdict is Verdict.WARN else "pass"
    outcomes = [_outcome(finding) for finding in report.findings]
    level = cast('Literal["static", "probe", "trial"]', report.level)
    return Clearance(
        fingerprint, verdict, level, _now(), round(report.seconds, 3), outcomes, experiments=report.experiments
    )


def unchecked_run(reason: str, fingerprint: Fingerprint) -> Clearance:
    """Return the record that a run trains without a check.

    Raises:
        ConfigError: The reason says nothing, or too much (see :func:`sound_reason`).
    """
    return Clearance(fingerprint, "unchecked", "", _now(), unchecked=sound_reason(reason))


def sound_reason(reason: str) -> str:
    """Return ``reason`` on one line.

    >>> sound_reason("a copy of\\nlast week's run")
    "a copy of last week's run"

    Raises:
        ConfigError: It is empty, or longer than 1,000 characters.
    """
    line = " ".join(reason.split())
    if not any(sign.isalnum() for sign in line) or len(line) > LONGEST:
        problem = f"has {len(line):,} characters" if len(line) > LONGEST else "is empty"
        raise ConfigError(
            f"the reason to train unchecked {problem}",
            "The run's heading, report and model card show it to whoever uses the model later.",
            'Say in a sentence why nothing has to be checked, as in --unchecked "a copy of last week\'s run".',
        )
    return line


def _outcome(finding: Finding) -> CheckOutcome:
    check = catalogue().get(finding.check)
    if check is None:
        return CheckOutcome(finding.check, finding.verdict, finding.message[:LONGEST])
    usual = finding.remedy in (check.page.remedy, filled(check.page.remedy))
    remedy = "" if usual else finding.remedy[:LONGEST]
    return CheckOutcome(finding.check, finding.verdict, finding.message[:LONGEST], check.version, remedy)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
