"""The proof, stored in a run, that this very configuration, data and model passed the gate; or why nobody asked.

Training starts only with one that fits. Anything of the fingerprint that differs voids it, a patch release of a library
too: those have changed losses before, and a proof about other code is a guess.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from sanetune import units
from sanetune.config.messages import short
from sanetune.errors import ConfigError
from sanetune.evidence.experiments import SCHEMA
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.catalogue import catalogue
from sanetune.gate.fingerprint import Fingerprint
from sanetune.runs import Run
from sanetune.text import shorten

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LARGEST = 8_000_000
"""Bytes of a clearance that is read: a thousand data files and all checks are a tenth of it."""
LONGEST = 1_000
"""Characters of a reason, and of what a check said."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """How one check came out; ``version``: that of the check (see :mod:`sanetune.checks.base`)."""

    check: str
    verdict: Verdict
    message: str
    version: int = 1


@dataclass(frozen=True, slots=True)
class Clearance:
    """``verdict`` is ``unchecked`` where somebody trained without a proof, for the reason in ``unchecked``; then
    ``level`` is empty. ``unchecked`` beside another verdict: so the run began, before it was cleared. ``made``: when,
    in UTC; ``seconds``: what the check took."""

    fingerprint: Fingerprint
    verdict: Literal["pass", "warn", "unchecked"]
    level: Literal["static", "probe", "trial", ""]
    made: str
    seconds: float = 0.0
    findings: list[CheckOutcome] = field(default_factory=list)
    unchecked: str = ""
    schema: Literal[2] = 2
    """Raised with every change after which files of before prove nothing. 2: versions of checks."""
    proof: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Of the report (see :class:`sanetune.finding.Report`), on its way into a file of its own; one that was read has
    none."""

    @property
    def proves(self) -> bool:
        """False where nothing was looked at."""
        return self.verdict != "unchecked"

    def of(self, verdict: Verdict) -> list[CheckOutcome]:
        """The findings with this verdict."""
        return [outcome for outcome in self.findings if outcome.verdict == verdict]

    @property
    def summary(self) -> str:
        """One line: level, counts, when; or that nobody asked. Users' words in it are as they were given."""
        if not self.proves:
            return f"not checked: {self.unchecked}"
        words = {Verdict.PASS: "passed", Verdict.WARN: "warned", Verdict.SKIP: "skipped"}
        counts = ", ".join(f"{len(self.of(verdict)):,} {word}" for verdict, word in words.items() if self.of(verdict))
        began = f"; its first steps were not checked: {self.unchecked}" if self.unchecked else ""
        took = f", in {units.seconds(self.seconds)}" if self.seconds else ""
        return f"cleared at level {self.level} on {self.made}{took}: {counts or 'no check'}{began}"


def cleared(report: Report, fingerprint: Fingerprint) -> Clearance:
    """The proof of a passed check. ValueError for one that failed."""
    if report.verdict not in (Verdict.PASS, Verdict.WARN):
        raise ValueError("a check that failed proves nothing")
    verdict: Literal["pass", "warn"] = "warn" if report.verdict is Verdict.WARN else "pass"
    outcomes = [_outcome(finding) for finding in report.findings]
    level = cast('Literal["static", "probe", "trial"]', report.level)
    return Clearance(fingerprint, verdict, level, _now(), round(report.seconds, 3), outcomes, proof=report.proof)


def unchecked(reason: str, fingerprint: Fingerprint) -> Clearance:
    """The record that a run trains without a proof, and why. ConfigError for a reason that says nothing."""
    return Clearance(fingerprint, "unchecked", "", _now(), unchecked=sound_reason(reason))


def sound_reason(reason: str) -> str:
    """``reason`` on one line; ConfigError when it is empty or an essay."""
    line = " ".join(reason.split())
    if not any(sign.isalnum() for sign in line) or len(line) > LONGEST:
        what = f"has {len(line):,} characters" if len(line) > LONGEST else "is empty"
        raise ConfigError(
            f"the reason to train unchecked {what}",
            "It stands in the run's heading, report and model card, for whoever meets the model later.",
            'Say in a sentence why nothing has to be checked, as in --unchecked "a copy of last week\'s run".',
        )
    return line


def write(run: Run, clearance: Clearance) -> Clearance:
    """Put ``clearance`` into the run, its proof beside it, and return what was put there: a run that began unchecked
    stays marked."""
    before = _unchecked_before(run)
    if before and clearance.proves and run.steps_saved:
        clearance = replace(clearance, unchecked=before)
    if clearance.proof:
        stored = {"schema": SCHEMA, "made": clearance.made, "level": clearance.level, "proof": clearance.proof}
        run.write_json(run.proof, stored)
    elif run.proof.is_file() and not read_proof(run, clearance)[0]:
        run.proof.unlink()
    run.write_json(run.clearance, _adapter().dump_python(clearance, mode="json", exclude={"proof"}))
    return clearance


def withdraw(run: Run) -> None:
    """Take back the run's clearance, where it has one."""
    for file in (run.clearance, run.proof):
        file.unlink(missing_ok=True)


def read(run: Run) -> tuple[Clearance | None, str]:
    """The clearance in the run, or None and why there is none in words."""
    from pydantic import ValidationError

    try:
        if not run.clearance.exists():
            return None, "it has no clearance"
        if not run.clearance.is_file() or run.clearance.stat().st_size > LARGEST:
            return None, f"{run.clearance.name} is no clearance: it is no file, or too large"
        found: Clearance = _adapter().validate_json(run.clearance.read_bytes())
    except OSError as error:
        return None, f"{run.clearance.name} cannot be read: {error.strerror}"
    except (ValidationError, RecursionError) as error:
        if isinstance(error, ValidationError) and any(one["loc"] == ("schema",) for one in error.errors()):
            return (
                None,
                f"{run.clearance.name} was written by another version of sanetune and proves nothing to this one",
            )
        first = error.errors()[0] if isinstance(error, ValidationError) else {"msg": "too deep", "loc": ()}
        where = short(".".join(str(part) for part in first["loc"]))
        return None, f"{run.clearance.name} is broken and proves nothing: {first['msg']} ({where})"
    return replace(found, proof={}), ""


def _unchecked_before(run: Run) -> str:
    """The reason for which the run began unchecked, whatever version wrote it down; empty where it did not."""
    try:
        if run.clearance.stat().st_size > LARGEST:
            return ""
        stored = json.loads(run.clearance.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    reason = stored.get("unchecked") if isinstance(stored, dict) else None
    return reason if isinstance(reason, str) else ""


def read_proof(run: Run, clearance: Clearance) -> tuple[dict[str, Any], str]:
    """The proof beside ``clearance``, empty where there is none; and in words why it cannot be shown, where it
    cannot."""
    try:
        if not run.proof.is_file():
            return {}, ""
        if run.proof.stat().st_size > LARGEST:
            return {}, f"{run.proof.name} is too large to be a proof"
        stored = json.loads(run.proof.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}, f"{run.proof.name} cannot be read"
    found = stored.get("proof") if isinstance(stored, dict) else None
    if not isinstance(found, dict):
        return {}, f"{run.proof.name} holds no proof"
    if stored.get("schema") != SCHEMA:
        return {}, f"{run.proof.name} was written by another version of sanetune"
    if (stored.get("made"), stored.get("level")) != (clearance.made, clearance.level):
        return {}, f"{run.proof.name} is of another check than the clearance"
    return found, ""


def _adapter() -> TypeAdapter[Clearance]:
    from pydantic import TypeAdapter

    return TypeAdapter(Clearance)


def compare(old: Fingerprint, now: Fingerprint) -> list[str]:
    """What differs, in words; nothing when a proof about ``old`` is one about ``now``."""
    found = list(_settings(old.configuration, now.configuration))
    for split in dict.fromkeys([*old.data, *now.data]):
        before, after = old.data.get(split, {}), now.data.get(split, {})
        # A file that only has another name holds the same rows.
        if list(before.values()) != list(after.values()) or any(map(_untold, after.values())):
            found += _files(before, after, "data" if split == "train" else f"{split} data")
    found += _files(old.model, now.model, "the model's")
    found += ["the chat template has changed"] if old.template != now.template else []
    return [*found, *_versions(old.versions, now.versions)]


def _settings(old: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*old, *now}):
        before, after = (short(side[key]) if key in side else "left open" for side in (old, now))
        if (key in old) != (key in now) or old[key] != now[key]:
            yield f"{key} was {before}, is {after}"


def _files(old: Mapping[str, Any], now: Mapping[str, Any], noun: str) -> list[str]:
    """The files, by name, that are not what they were."""
    found = []
    for name in dict.fromkeys([*old, *now]):
        shown = f"{noun} {_cut(name)}"
        if name not in now or name not in old:
            found.append(f"{shown} is {'new' if name in now else 'gone'}")
        elif old[name] != now[name] or _untold(now[name]):
            found.append(f"{shown} {_change(old[name], now[name])}")
    if not found and list(old) != list(now):
        return [f"the files of {noun} come in another order"] if noun.endswith("data") else []
    return found


def _untold(values: Mapping[str, Any]) -> bool:
    """Whether the Hub would not say which commit it has."""
    return "commit" in values and values["commit"] is None


def _change(old: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    for key in ("lines", "size"):
        before, after = old.get(key), now.get(key)
        if isinstance(before, int) and isinstance(after, int) and before != after:
            return f"has changed: {before:,} {'bytes' if key == 'size' else key} -> {after:,}"
    if _untold(now):
        return "may have changed: the Hub does not say its commit (a pinned revision does)"
    key = "commit" if "commit" in now else "hash"
    return f"has changed: {key} {_cut(old.get(key), 8)} -> {_cut(now.get(key), 8)}"


def _cut(value: object, longest: int = 100) -> str:
    return shorten(str(value), longest + 1)


def _versions(old: Mapping[str, str | None], now: Mapping[str, str | None]) -> Iterator[str]:
    for package in dict.fromkeys([*old, *now]):
        before, after = old.get(package), now.get(package)
        if before != after:
            yield f"{package} {before or 'not installed'} -> {after or 'not installed'}"


def missing_checks(found: Clearance, names: Iterable[str]) -> list[str]:
    """What ``found`` lacks of the checks ``names``, in words: those that did not run, and those that have changed."""
    versions = {outcome.check: outcome.version for outcome in found.findings}
    checks = catalogue()
    reasons = []
    for name in names:
        if name not in versions:
            reasons.append(f"{name} was not among its checks")
        elif versions[name] != checks[name].version:
            reasons.append(f"{name} has changed: version {versions[name]} -> {checks[name].version}")
    return reasons


def _outcome(finding: Finding) -> CheckOutcome:
    check = catalogue().get(finding.check)
    version = check.version if check else 1
    return CheckOutcome(finding.check, finding.verdict, finding.message[:LONGEST], version)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
