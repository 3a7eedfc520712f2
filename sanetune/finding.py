"""What a check finds (numbers, witnesses, verdict, message and fix), and the report of all findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sanetune.errors import Place, UserError
from sanetune.text import shorten


class Verdict(StrEnum):
    """The outcome of a check, in the order of how much it asks for; the last is the worst.

    ``skip``: the check does not apply, or its evidence is missing. ``crash``: the check itself has a bug, which proves
    nothing.
    """

    SKIP = "skip"
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    CRASH = "crash"

    @property
    def rank(self) -> int:
        """0 for the verdict that asks for least, 4 for the worst.

        >>> max(Verdict.WARN, Verdict.FAIL, Verdict.PASS, key=lambda verdict: verdict.rank)
        <Verdict.FAIL: 'fail'>
        """
        return list(Verdict).index(self)


WORST_FIRST = tuple(reversed(Verdict))
"""The order in which findings are reported."""
BAD = (Verdict.CRASH, Verdict.FAIL, Verdict.WARN)
"""Verdicts that ask for something to be done, worst first."""
REFUSING = (Verdict.CRASH, Verdict.FAIL)
"""Verdicts with which the gate refuses a run, worst first."""
UNPROVED = "unproved"
"""The part of a report's subject that says why what decides could not be inspected."""


@dataclass(frozen=True, slots=True)
class Witness:
    """One row or token that shows the fault.

    Args:
        text: The text, with some of what is around it.
        place: Where it is.
        note: Why it is shown.
        beside: The second text of a pair.
        split: ``train`` or ``validation``, where its tokens can be shown.
        example: Its number in that split, from 0.
    """

    text: str
    place: Place | None = None
    note: str = ""
    beside: str = ""
    split: str | None = None
    example: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values; those that are unset are left out."""
        place = self.place or Place()
        values = {
            "text": self.text,
            "note": self.note,
            "beside": self.beside,
            "file": None if place.file is None else str(place.file),
            "line": place.line,
            "row": place.row,
            "message": place.message,
            "split": self.split,
            "example": self.example,
        }
        return {key: value for key, value in values.items() if value not in (None, "")}


MOST_WITNESSES = 5
"""Witnesses that one finding shows at most."""
ALL_WITNESSES = 100_000
"""Witnesses of one finding where all are asked for: beyond it a report would not fit into memory."""

_most: ContextVar[int] = ContextVar("most", default=MOST_WITNESSES)


def most_witnesses() -> int:
    """Return how many witnesses one finding carries at most."""
    return _most.get()


@contextmanager
def all_witnesses(wanted: bool = True) -> Iterator[None]:
    """Let findings carry every witness that a check meets, where that is ``wanted``: to compare two days.

    >>> with all_witnesses():
    ...     most_witnesses() > MOST_WITNESSES
    True
    """
    token = _most.set(ALL_WITNESSES if wanted else MOST_WITNESSES)
    try:
        yield
    finally:
        _most.reset(token)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a check's ``measure`` returns: numbers by name, and the worst rows or tokens, worst first."""

    numbers: dict[str, Any] = field(default_factory=dict)
    witnesses: list[Witness] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a check's ``judge`` returns.

    Args:
        verdict: Pass, warn or fail.
        message: The numbers in words, in one sentence.
        remedy: What to do, in one sentence. Empty: the first sentence of the page's "Use instead".
        fix: ``section.key`` -> the value that fixes it, if one is known.
    """

    verdict: Verdict
    message: str
    remedy: str = ""
    fix: dict[str, Any] = field(default_factory=dict)


def passed(message: str) -> Judgement:
    """A judgement that the fault is absent.

    >>> passed("none of 3 rows is empty").message
    'None of 3 rows is empty.'
    """
    return Judgement(Verdict.PASS, _sentence(message))


def warned(message: str, remedy: str = "", fix: Mapping[str, Any] | None = None) -> Judgement:
    """A judgement to consider, which does not stop a run."""
    return Judgement(Verdict.WARN, _sentence(message), remedy, dict(fix or {}))


def failed(message: str, remedy: str = "", fix: Mapping[str, Any] | None = None) -> Judgement:
    """A judgement that makes the run not worth its cost."""
    return Judgement(Verdict.FAIL, _sentence(message), remedy, dict(fix or {}))


def _sentence(words: str) -> str:
    """One way to write them all: with a capital and a full stop."""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?", ":", "…")) else ".")


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Args:
        check: Name of the check.
        verdict: Its verdict.
        message: What was measured, in one sentence with numbers.
        rationale: Why it matters, in one sentence (empty unless it warns or fails).
        remedy: What to do, in one sentence (likewise).
        numbers: The measurement, by name.
        witnesses: Rows or tokens that show the fault, worst first.
        fix: ``section.key`` -> the value that fixes it.
        limits: The limits that were applied, by name.
        seconds: Time of the measurement, without its evidence.
        traceback: Of a crashed check.
        answers: What else can be done, each as plain values: ``name``, ``words``, and the ``change`` that does it.
    """

    check: str
    verdict: Verdict
    message: str
    rationale: str = ""
    remedy: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)
    witnesses: list[Witness] = field(default_factory=list)
    fix: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    traceback: str = ""
    answers: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Finding:
        """Read what :meth:`to_json` returns, after a file; without witnesses, traceback and answers."""
        verdict = Verdict(plain["verdict"])
        numbers, fix, limits = (dict(plain[name]) for name in ("evidence", "fix", "limits"))
        words = plain["what"], plain["why"], plain["todo"]
        return cls(plain["check"], verdict, *words, numbers, [], fix, limits, plain["seconds"])

    @property
    def text(self) -> str:
        """Message, rationale and remedy as one text: ``message`` in the JSON report."""
        return " ".join(part for part in (self.message, self.rationale, self.remedy) if part)

    def __repr__(self) -> str:
        return f"<Finding {self.check} {self.verdict.value}: {shorten(self.message, 100)}>"

    def to_json(self) -> dict[str, Any]:
        """The contract of ``--json``. ``what``, ``why`` and ``todo`` are the names that its readers know."""
        values: dict[str, Any] = {
            "check": self.check,
            "verdict": self.verdict.value,
            "message": self.text,
            "evidence": self.numbers,
            "witnesses": [witness.to_json() for witness in self.witnesses],
            "fix": self.fix,
            "seconds": round(self.seconds, 4),
            "what": self.message,
            "why": self.rationale,
            "todo": self.remedy,
            "limits": self.limits,
        }
        more = {"traceback": self.traceback, "answers": list(self.answers)}
        return values | {name: value for name, value in more.items() if value}


class GateError(UserError):
    """The gate refused: a check failed or crashed."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of all checks of one run.

    Args:
        findings: Worst first.
        level: How deep the checks went: ``static``, ``probe`` or ``trial``.
        seconds: Time of all checks and their evidence.
        subject: What was checked, by name (``config``, ``model``, ``data``, …).
        unusable: The error that made the input unusable, so that most checks were skipped.
        evidence_seconds: Time that each piece of evidence took to build.
        experiments: The results of the experiments (overfit, learning-rate comparison, trial, samples) and the
            forecast as plain values, where they were made.
        known: Findings that a baseline has already, and which do not count.
    """

    findings: Sequence[Finding]
    level: str = "static"
    seconds: float = 0.0
    subject: dict[str, str] = field(default_factory=dict)
    unusable: UserError | None = None
    evidence_seconds: dict[str, float] = field(default_factory=dict)
    experiments: dict[str, Any] = field(default_factory=dict)
    known: Sequence[Finding] = ()

    @property
    def verdict(self) -> Verdict:
        """``fail`` when a check failed or crashed or the input is unusable, else ``warn`` or ``pass``."""
        worst = max((finding.verdict.rank for finding in self.findings), default=0)
        if self.unusable or worst >= Verdict.FAIL.rank:
            return Verdict.FAIL
        return Verdict.WARN if worst == Verdict.WARN.rank else Verdict.PASS

    @property
    def exit_code(self) -> int:
        """0 clear (warnings allowed), 1 a check failed or crashed, 2 the input is unusable."""
        if self.unusable:
            return 2
        return 1 if self.verdict is Verdict.FAIL else 0

    def __repr__(self) -> str:
        counts = Counter(finding.verdict.value for finding in self.findings)
        listed = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        return f"<Report {self.verdict.value} at level {self.level}: {listed or 'no checks'}>"

    def __str__(self) -> str:
        """The findings that are to be acted on, one below the other."""
        lines = [repr(self)[1:-1], *([f"unusable: {self.unusable}"] if self.unusable else [])]
        lines += [f"{one.verdict.value} {one.check}: {one.text}" for one in self.of(*REFUSING, Verdict.WARN)]
        return "\n".join(lines)

    @property
    def is_unproved(self) -> bool:
        """Whether nothing was found because nothing, or not what decides, could be inspected."""
        nothing = all(finding.verdict is Verdict.SKIP for finding in self.findings)
        return self.verdict is not Verdict.FAIL and (UNPROVED in self.subject or (bool(self.findings) and nothing))

    def of(self, *verdicts: Verdict) -> list[Finding]:
        """Return the findings with one of these verdicts."""
        return [finding for finding in self.findings if finding.verdict in verdicts]

    def __getitem__(self, check: str) -> Finding:
        for finding in self.findings:
            if finding.check == check:
                return finding
        raise KeyError(check)

    @property
    def fixes(self) -> dict[str, Any]:
        """All values that findings propose by ``section.key``; where two name the same key, the worse finding's."""
        values: dict[str, Any] = {}
        for finding in self.of(Verdict.FAIL, Verdict.WARN):
            for key, value in finding.fix.items():
                values.setdefault(key, value)
        return values

    def raise_if_failed(self) -> None:
        """Raise when the verdict is ``fail``.

        Raises:
            GateError: Its message names the findings.
        """
        if self.verdict is not Verdict.FAIL:
            return
        bad = self.of(*REFUSING)
        listed = "\n".join(f"  {finding.check}: {finding.message}" for finding in bad)
        reason = f"\n  {self.unusable}" if self.unusable else ""
        raise GateError(
            f"the gate refuses this run:\n{listed}{reason}".rstrip(),
            "Each of these makes the run not worth its cost.",
            " ".join(dict.fromkeys(finding.remedy for finding in bad if finding.remedy)),
        )

    def to_json(self) -> dict[str, Any]:
        """The contract of ``--json``."""
        values: dict[str, Any] = {
            "schema": 1,
            "verdict": self.verdict.value,
            "findings": [finding.to_json() for finding in self.findings],
            "seconds": round(self.seconds, 3),
            "level": self.level,
            "subject": self.subject,
            "evidence_seconds": {name: round(value, 4) for name, value in self.evidence_seconds.items()},
        }
        return (
            values
            | ({"proof": self.experiments} if self.experiments else {})
            | ({"known": [finding.to_json() for finding in self.known]} if self.known else {})
            | ({"unusable": str(self.unusable)} if self.unusable else {})
        )
