"""Apply the fixes that findings carry to the user's YAML, round by round, until nothing more can be fixed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sanetune.atomic import write_text
from sanetune.config import yaml_edit
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.config.section import Section
from sanetune.config.yaml_read import read_text
from sanetune.errors import ConfigError
from sanetune.evidence.experiments import Experiments
from sanetune.finding import BAD, Finding, Report, Verdict
from sanetune.gate.catalogue import catalogue
from sanetune.gate.invalidation import group_of

ROUNDS = 5
"""Most rounds: a fix may uncover another fault, but not forever."""


MEASURED = frozenset({"train.learning_rate"})
"""Keys that are not set by a rule of thumb where their value will be measured."""

LENGTH = frozenset(
    f"train.{key}"
    for key in (
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "num_train_epochs",
        "max_steps",
        "packing",
    )
)
PLACED = frozenset(f"train.{key}" for key in ("warmup_steps", "logging_steps", "eval_steps", "save_steps"))
LATER = (({"train.max_length"}, LENGTH | PLACED), (LENGTH, PLACED), ({"train.learning_rate"}, {"data.replay"}))
"""(keys, others): where one of the keys changes, the others wait for the next round, which knows the new length, or
whether a better learning rate forgets less."""

COMPARISON = "curve-rate-beaten"
"""The check that compares learning rates on held-out rows."""
HELD_OUT = frozenset({COMPARISON, "curve-diverged", "curve-nan"})
"""Checks whose fixes rest on the held-out loss itself, or on one that is lost."""
WORSE = 0.01
"""Share by which the held-out loss of a trial may rise before a change is undone: repeated trials differ by less."""

INPUT = "input"
"""In place of the name of a check, where the input itself was refused."""


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One value that was changed, the check whose finding proposed it, and that finding's message as the reason."""

    key: str
    before: object
    after: object
    check: str
    reason: str

    @property
    def renames(self) -> bool:
        """Whether the value stays, and only its key gets the name of today."""
        return self.before == self.after

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"key": self.key, "before": self.before, "after": self.after, "check": self.check, "why": self.reason}


@dataclass(frozen=True, slots=True)
class Round:
    """The checks of one round, and what was changed after them (nothing after the last)."""

    report: Report
    changes: list[ConfigChange] = field(default_factory=list)
    undone: str = ""
    """Why the changes before this round were undone; "" where they were not. The round is then of the file before."""

    def to_json(self) -> dict[str, Any]:
        """Plain values: verdict, changes, and the trial's curve where there was one."""
        bad = self.report.of(*BAD)
        return {
            "verdict": self.report.verdict.value,
            "findings": [{"check": one.check, "verdict": one.verdict.value, "what": one.message} for one in bad],
            "changes": [change.to_json() for change in self.changes],
            "proof": self.report.experiments,
            "seconds": round(self.report.seconds, 3),
            **({"undone": self.undone} if self.undone else {}),
        }


@dataclass(slots=True)
class Fixed:
    """What the fixer did.

    Attributes:
        rounds: The last one is how it ends.
        diff: The difference between the first and the last text of the file.
        backup: The copy of the first text.
    """

    rounds: list[Round] = field(default_factory=list)
    diff: str = ""
    backup: Path | None = None

    @property
    def report(self) -> Report:
        return self.rounds[-1].report

    @property
    def changes(self) -> list[ConfigChange]:
        """All changes, in their order; those that were undone too."""
        return [change for one in self.rounds for change in one.changes]


def fix(
    config: Config, overrides: tuple[str, ...], check: Callable[[Config, list[Round]], Report], level: str = "static"
) -> Fixed:
    """Check, change the file behind ``config``, and check again, until nothing more can be fixed.

    Comments and order of the file stay; a copy of the first text is kept beside it as ``NAME.bak``, ``NAME.bak2``, ….

    Args:
        config: The configuration, loaded from its file.
        overrides: ``section.key=value``, each. These keys are left alone: the file does not decide them.
        check: Gives the report of a configuration; its second argument are the rounds before.
        level: The level of the last report. In reports of another, what will be measured is left alone.

    Raises:
        ConfigError: There is no file.
        RunError: The file cannot be written.
    """
    if config.file is None:
        raise ConfigError(
            "there is no file to fix",
            "The configuration was made in Python, or is another tool's.",
            "Change it there, or convert it: `sanetune init --from FILE`.",
        )
    file, first = config.file, read_text(config.file)
    done, text, fixed = Fixed(), first, overridden(overrides)
    before: tuple[str, Config] | None = None
    while True:
        report, undone = check(config, list(done.rounds)), ""
        if before is not None and (undone := worse(done.rounds[-1], report)):
            text, config = before
            report = done.rounds[-1].report
            _written(file, text)
            done.diff = _difference(first, text, file)
        left = fixed if report.level == level else fixed | MEASURED
        changes = proposed(report, config, left, done.changes) if len(done.rounds) < ROUNDS else []
        done.rounds.append(Round(report, changes, undone))
        if not changes:
            return done
        before = text, config
        if done.backup is None:
            done.backup = backed_up(file, first)
        kept, text, config = _changed(file, text, config, changes, overrides)
        done.diff = _difference(first, text, file)
        done.rounds[-1] = Round(report, kept, undone)
        if not kept:
            return done


def overridden(overrides: Sequence[str]) -> frozenset[str]:
    """Return the keys that ``overrides`` (``section.key=value``, each) set."""
    return frozenset(one.split("=", 1)[0].strip() for one in overrides)


def _changed(
    file: Path, text: str, config: Config, changes: list[ConfigChange], overrides: tuple[str, ...]
) -> tuple[list[ConfigChange], str, Config]:
    """Make the changes in the file, and return those that were made, its text and its configuration.

    Where all together are refused, only the first of them are made: each is sound by itself, and no finding knows of
    the others.
    """
    for count in range(len(changes), 0, -1):
        new = with_changes(text, config, changes[:count])
        _written(file, new)
        try:
            return changes[:count], new, load(file, overrides)
        except ConfigError:
            continue
    _written(file, text)
    return [], text, config


def proposed(report: Report, config: Config, fixed: Set[str], before: list[ConfigChange]) -> list[ConfigChange]:
    """Return the fixes of ``report`` that change something and have not been tried, but for the keys ``fixed``.

    Of a run that is clear only old names of keys are changed. A warning does not change a key a second time: it could
    go back and forth. A rename gives way to a change of the same key's value, and other findings to a comparison of
    learning rates on held-out rows.
    """
    tried = {(change.key, repr(change.after)) for change in before}
    changed_before = {change.key for change in before if not change.renames}
    measured = MEASURED if _planned_lr_is_best(report) else frozenset()
    changes: dict[str, ConfigChange] = {}
    renames: dict[str, ConfigChange] = {}
    for finding in _findings(report):
        for key, value in finding.fix.items():
            change = ConfigChange(key, _value(config, key), value, finding.check, finding.message)
            again = finding.verdict is Verdict.WARN and key in changed_before
            beaten = key in measured and finding.check not in HELD_OUT
            if key in fixed or beaten or again or (key, repr(value)) in tried:
                continue
            if not change.renames and report.verdict is Verdict.FAIL:
                changes.setdefault(key, change)
            elif change.renames and _is_old(config, key):
                renames.setdefault(key, change)
    for first, later in LATER:
        if first & changes.keys():
            changes = {key: change for key, change in changes.items() if key not in later}
    return [*changes.values(), *(change for key, change in renames.items() if key not in changes)]


def _findings(report: Report) -> list[Finding]:
    """What asks for something to be done, what decides about a key first."""
    findings = report.of(Verdict.FAIL, Verdict.WARN)
    if report.unusable is not None:
        # Nothing behind it could be checked; the value that its message names lets the checks begin.
        findings.insert(0, Finding(INPUT, Verdict.FAIL, report.unusable.message, fix=report.unusable.fix))
    return sorted(findings, key=lambda one: -_priority(one.check))


def _planned_lr_is_best(report: Report) -> bool:
    """Whether learning rates were compared on held-out rows, and the planned one was not beaten."""
    return any(one.check == COMPARISON and one.verdict is Verdict.PASS for one in report.findings)


def worse(before: Round, report: Report) -> str:
    """Say why the changes of the round ``before`` are undone: the trial's held-out loss is higher than it was.

    Losses are compared where the changes leave rows and batches as they were; "" where they are not higher.
    """
    then, now = _held_out(before.report), _held_out(report)
    if then is None or now is None or any(group_of(change.key) != "schedule" for change in before.changes):
        return ""
    if now <= then * (1 + WORSE):
        return ""
    keys = ", ".join(change.key for change in before.changes)
    return f"with {keys} changed the held-out loss of the trial was {now:.3f}, and {then:.3f} before"


def _held_out(report: Report) -> float | None:
    """The last validation loss of the trial in nats per token; None without one, infinite where it was no number."""
    trial = Experiments.from_json(report.experiments).trial
    losses = trial.curve.validation if trial else []
    if not losses:
        return None
    return losses[-1].loss if math.isfinite(losses[-1].loss) else math.inf


def _priority(check: str) -> int:
    """The check's ``FIX_PRIORITY``; 0 for what is no check of the catalogue."""
    found = catalogue().get(check)
    return found.fix_priority if found else 0


def _value(config: Config, key: str) -> object:
    section, _, name = key.partition(".")
    part: object = getattr(config, section, None)
    for piece in name.split("."):
        part = part.get(piece) if isinstance(part, (Mapping, Section)) else None
    return part


def _is_old(config: Config, key: str) -> bool:
    """Whether the value is already there, but under an old name."""
    return any(one.new == key or one.new == "" for one in config.renamed)


def with_changes(text: str, config: Config, changes: Sequence[ConfigChange]) -> str:
    """Return ``text`` with the changes; a key that had an old name loses it."""
    values = {change.key: change.after for change in changes}
    reasons = {change.key: change.check for change in changes if not change.renames}
    old = [one.old for one in config.renamed if one.new in values or not one.new]
    return yaml_edit.change(yaml_edit.without(text, old), values, reasons)


def backed_up(file: Path, text: str) -> Path:
    """Keep ``text``, the content of ``file``, beside it as ``NAME.bak``, ``NAME.bak2``, …, and return that file."""
    number = 1
    while (backup := file.with_name(f"{file.name}.bak{number if number > 1 else ''}")).exists():
        number += 1
    _written(backup, text)
    return backup


def _written(file: Path, text: str) -> None:
    write_text(file, text, "The fixes would be lost.", "Make the file and its folder writable.")


def _difference(before: str, after: str, file: Path) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{file.name} (before)", f"{file.name} (after)", n=1, lineterm=""
    )
    return "\n".join(lines)
