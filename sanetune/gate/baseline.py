"""What a check found on another day, so that only what is new is reported.

A row is known by check, file and content, never by its line: rows that were added above it change nothing. Checks that
show their faulty rows one by one (``BY_ROW``) are compared row by row. Of all others a finding is known as long as its
verdict is no worse and the values that it wants changed are those that they were.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.atomic import write_json
from sanetune.data.sources.row import kind_of
from sanetune.errors import RunError
from sanetune.finding import MOST_WITNESSES, Finding, Report, Verdict, Witness
from sanetune.gate.catalogue import catalogue
from sanetune.typed_json import from_json, to_json

if TYPE_CHECKING:
    from sanetune.config.schema import Config

SCHEMA = 2
LARGEST = 64_000_000
"""Bytes of a baseline that is read: a row takes about 25."""
DIGITS = 16
"""Hexadecimal digits that tell a row from others."""
COUNTED = (Verdict.WARN, Verdict.FAIL)
"""Verdicts that a baseline keeps; what crashed or cannot be read is never known."""


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """What one check had found.

    Attributes:
        verdict: Its verdict.
        rows: File -> digest of a row's content -> how often it was shown; empty where a check shows no single rows.
        settings: ``section.key`` that its fix would change -> the value that it had, as JSON.
    """

    verdict: Verdict
    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was known of one configuration.

    Attributes:
        findings: Check -> what it had found.
        config: The configuration, relative to the folder of the baseline.
        schema: Raised with every change after which earlier baselines say nothing.
    """

    findings: dict[str, KnownFinding]
    config: str
    schema: int = SCHEMA


def baseline_of(report: Report, config: Config, folder: Path) -> Baseline:
    """Return what ``report`` has found, for a file in ``folder``.

    The report was made inside :func:`sanetune.finding.all_witnesses`.
    """
    bad = report.of(*COUNTED)
    keys = _Keys(config.folder, bad)
    found = {one.check: KnownFinding(one.verdict, keys.counted(one), _settings(one, config)) for one in bad}
    name = os.path.relpath(config.file.resolve(), folder.resolve()) if config.file else ""
    return Baseline(found, Path(name).as_posix())


def write_baseline(file: Path, baseline: Baseline) -> None:
    """Write ``baseline`` in an order of its own, so that a version control system shows what has changed.

    Raises:
        RunError: It cannot be written.
    """
    plain = json.loads(json.dumps(to_json(baseline), sort_keys=True))
    write_json(file, plain, "", "Give another file.")


def read_baseline(file: Path) -> Baseline:
    """Return the baseline in ``file``.

    Raises:
        RunError: It is missing, broken, or of another version.
    """
    again = "Write a new one: `sanetune check CONFIG --write-baseline F`."
    reason = "Without it, known findings cannot be told from new ones."
    try:
        if file.stat().st_size > LARGEST:
            raise RunError(f"{file} is too large to be a baseline.", reason, again)
        found = from_json(Baseline, json.loads(file.read_bytes()))
    except OSError as error:
        raise RunError(f"The baseline {file} cannot be read: {error.strerror}.", reason, again) from None
    except (ValueError, RecursionError):
        raise RunError(f"{file} is no baseline.", reason, again) from None
    if found.schema != SCHEMA:
        raise RunError(f"{file} was written by another version of sanetune.", reason, again)
    return found


def read_baselines(files: Iterable[Path]) -> dict[Path, Baseline]:
    """Return the baselines in ``files`` by the configuration that each is of.

    Raises:
        RunError: One of them cannot be used.
    """
    found = ((file, read_baseline(file)) for file in files)
    return {(file.resolve().parent / one.config).resolve(): one for file, one in found}


def only_new(report: Report, baseline: Baseline, config: Config) -> Report:
    """Return ``report`` with what ``baseline`` does not have; the others are in its ``known``.

    Args:
        report: Made inside :func:`sanetune.finding.all_witnesses`.
        baseline: What is known.
        config: What was checked.
    """
    keys = _Keys(config.folder, report.of(*COUNTED))
    findings: list[Finding] = []
    known: list[Finding] = []
    for finding in report.findings:
        before = baseline.findings.get(finding.check)
        if before is None or finding.verdict not in COUNTED or finding.verdict.rank > before.verdict.rank:
            findings.append(finding)
        elif _is_by_row(finding.check):
            fresh = keys.fresh(finding, before.rows)
            (findings if fresh else known).append(_narrowed(finding, fresh) if fresh else finding)
        else:
            (known if _settings(finding, config) == before.settings else findings).append(finding)
    return shown(replace(report, findings=findings, known=known))


def shown(report: Report) -> Report:
    """Return ``report`` with as many witnesses of each finding as are shown."""

    def cut(findings: Iterable[Finding]) -> list[Finding]:
        return [replace(one, witnesses=one.witnesses[:MOST_WITNESSES]) for one in findings]

    return replace(report, findings=cut(report.findings), known=cut(report.known))


def _narrowed(finding: Finding, fresh: list[Witness]) -> Finding:
    count = len(finding.witnesses)
    if len(fresh) == count:
        return finding
    words = f"New since the baseline: {units.many(len(fresh), 'place')} of {count:,}."
    return replace(finding, message=f"{words} {finding.message}", witnesses=fresh)


def _settings(finding: Finding, config: Config) -> dict[str, str]:
    """The values that ``finding`` wants changed, as they are."""
    return {key: json.dumps(_value(config, key), default=str, sort_keys=True) for key in sorted(finding.fix)}


def _value(config: Config, key: str) -> object:
    from pydantic import BaseModel

    section, *names = key.split(".")
    if section == "train" and names:
        return config.train.given.get(names[0])
    value: object = getattr(config, section, None)
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value.model_dump() if isinstance(value, BaseModel) else value


def _is_by_row(check: str) -> bool:
    known = catalogue().get(check)
    return known is not None and known.by_row


class _Keys:
    """File and content of the rows that findings show; each file is read once.

    Args:
        folder: Files below it are named relative to it.
        findings: All whose rows will be asked for.
    """

    def __init__(self, folder: Path, findings: Iterable[Finding]) -> None:
        self._folder = folder.resolve()
        wanted: dict[str, dict[int, int | None]] = defaultdict(dict)
        for finding in findings:
            if _is_by_row(finding.check):
                for witness in finding.witnesses:
                    if witness.place and witness.place.file and witness.place.row is not None:
                        wanted[str(witness.place.file)][witness.place.row] = witness.place.line
        self._content = {file: _contents(Path(file), rows) for file, rows in wanted.items()}

    def counted(self, finding: Finding) -> dict[str, dict[str, int]]:
        """How often each row of ``finding`` is shown, by file and content."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for witness in finding.witnesses if _is_by_row(finding.check) else ():
            file, content = self._key(witness)
            counts[file][content] += 1
        return {file: dict(found) for file, found in counts.items()}

    def fresh(self, finding: Finding, known: Mapping[str, Mapping[str, int]]) -> list[Witness]:
        """The witnesses that are shown more often than ``known`` has them."""
        left = {file: Counter(found) for file, found in known.items()}
        fresh = []
        for witness in finding.witnesses:
            file, content = self._key(witness)
            if left.get(file, Counter())[content] > 0:
                left[file][content] -= 1
            else:
                fresh.append(witness)
        return fresh

    def _key(self, witness: Witness) -> tuple[str, str]:
        place = witness.place
        if place is None or place.file is None:
            return "", _digest([witness.text, witness.beside])
        content = self._content.get(str(place.file), {}).get(place.row if place.row is not None else -1)
        # A row that cannot be read, or on the Hub, is known by what is shown of it.
        return self._name(str(place.file)), content or _digest([witness.text, witness.beside])

    def _name(self, file: str) -> str:
        if "://" in file:
            return file
        path = Path(os.path.abspath(file))
        return path.relative_to(self._folder).as_posix() if path.is_relative_to(self._folder) else path.name


def _contents(file: Path, rows: Mapping[int, int | None]) -> dict[int, str]:
    """Row -> digest of its values; of a row that cannot be read, of its line.

    Args:
        file: A data file, or what stands for one that is on the Hub.
        rows: Row -> its line, where the file has lines.
    """
    from sanetune.data.sources.files import read_file
    from sanetune.errors import DataError

    found: dict[int, str] = {}
    if not file.is_file():
        return found
    with contextlib.suppress(DataError):
        for row in read_file(file, on_bad=lambda error: None):
            number = row.place.row
            if number is not None and number in rows:
                found[number] = _digest(row.values)
                if len(found) == len(rows):
                    break
    return found | _lines(file, {line: row for row, line in rows.items() if line is not None and row not in found})


def _lines(file: Path, wanted: Mapping[int, int]) -> dict[int, str]:
    """Row -> digest of its line, of the lines that are ``wanted`` (line -> row)."""
    from sanetune.data.sources.text_file import open_text
    from sanetune.errors import DataError

    found: dict[int, str] = {}
    if wanted and kind_of(file) in ("json", "lines"):
        with contextlib.suppress(DataError), open_text(file) as (stream, _):
            for number, line in enumerate(stream, 1):
                if number in wanted:
                    found[wanted[number]] = _digest(line.strip().decode("utf-8", "replace"))
    return found


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
