"""Say whether a run's clearance is about the weights that are to be deployed, and about a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config.messages import short
from sanetune.errors import Place, RunError, UserError
from sanetune.finding import Verdict
from sanetune.gate.clearance_file import read_clearance
from sanetune.gate.differences import data_differences, model_differences
from sanetune.gate.trained_files import TrainedFiles, changes, clearance_digest, digest_of, digests, read_record
from sanetune.runs import Run

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.gate.clearance import Clearance

SHOWN = 5
"""Differences of one part that are named."""


@dataclass(frozen=True, slots=True)
class VerifiedPart:
    """One thing that a clearance is about.

    Attributes:
        name: ``clearance``, ``weights``, ``adapter``, ``configuration``, ``data`` or ``base model``.
        verdict: ``pass``, ``fail``, or ``skip`` where there was nothing to compare.
        message: What was compared, or what differs, in words.
    """

    name: str
    verdict: Verdict
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What :func:`verify_clearance` has found."""

    run: Run
    summary: str
    """The clearance in one line; "" where there is none."""
    parts: list[VerifiedPart]

    @property
    def fits(self) -> bool:
        """Whether the clearance is about these files: nothing differs, and the weights were compared."""
        compared = any(part.name in ("weights", "adapter") and part.verdict is Verdict.PASS for part in self.parts)
        return compared and all(part.verdict is not Verdict.FAIL for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """The contract of ``--json``."""
        return {
            "schema": 1,
            "verdict": "pass" if self.fits else "fail",
            "run": str(self.run.path),
            "clearance": self.summary,
            "parts": [{"part": one.name, "verdict": one.verdict.value, "message": one.message} for one in self.parts],
        }


def verify_clearance(folder: Path, *, model: Path | None = None, config: Config | None = None) -> Verification:
    """Return whether the clearance of a run fits the weights that it left, or a copy of them.

    Args:
        folder: The run's.
        model: A folder of the model or adapter that is deployed; None: those in the run.
        config: A configuration that has to be the run's, with the data and base model that it names; None: the run's
            own, where its files are on this machine.

    Raises:
        RunError: ``folder`` is no run, or there is no folder ``model``.
    """
    run = Run.open(folder)
    found, missing = read_clearance(run)
    record, reason = read_record(run)
    if model is not None and not model.is_dir():
        raise RunError(f"There is no folder {model}.", "", "Give the folder of the model that is deployed.")
    try:
        parts = [_clearance(run, found, missing, record), *_weights(run, record, reason, model)]
    except OSError as error:
        raise RunError(
            f"A file of the model cannot be read: {error.strerror}.",
            "Without it, it is not known whether the model is the one that was trained.",
            "Check its permissions.",
            Place(error.filename),
        ) from None
    if found is not None:
        parts += _inputs(run, found, record, config)
    return Verification(run, found.summary if found is not None else "", parts)


def _clearance(run: Run, found: Clearance | None, missing: str, record: TrainedFiles | None) -> VerifiedPart:
    name = "clearance"
    if found is None:
        return VerifiedPart(name, Verdict.FAIL, missing)
    if not found.proves:
        return VerifiedPart(name, Verdict.FAIL, f"the run was not checked: {found.unchecked}")
    if record is not None and record.clearance != clearance_digest(run.clearance):
        had = "another one" if record.clearance else "none"
        return VerifiedPart(
            name, Verdict.FAIL, f"it is not the one that these weights were trained with: that was {had}"
        )
    return VerifiedPart(name, Verdict.PASS, found.summary)


def _weights(run: Run, record: TrainedFiles | None, reason: str, model: Path | None) -> Iterator[VerifiedPart]:
    if record is None:
        yield VerifiedPart("weights", Verdict.FAIL, reason)
        return
    if model is not None:
        is_adapter = (model / "adapter_config.json").is_file() and not (model / "config.json").is_file()
        recorded = record.adapter if is_adapter else record.model
        yield _folder("adapter" if is_adapter else "weights", model, recorded)
        beside = model / run.clearance.name
        if beside.is_file() and clearance_digest(beside) != record.clearance:
            words = f"{beside} is not the one that these weights were trained with"
            yield VerifiedPart("clearance beside them", Verdict.FAIL, words)
        return
    for name, folder, recorded in (("weights", run.model, record.model), ("adapter", run.adapter, record.adapter)):
        if recorded or folder.exists():
            yield _folder(name, folder, recorded)


def _folder(name: str, folder: Path, recorded: dict[str, Any]) -> VerifiedPart:
    if not folder.is_dir():
        return VerifiedPart(name, Verdict.SKIP, f"the run has no {folder.name}/ here")
    if not recorded:
        return VerifiedPart(name, Verdict.FAIL, f"{folder} is there, and the run has trained none")
    return _compared(name, changes(recorded, digests(folder)), f"{len(recorded):,} files are those that were trained")


def _inputs(run: Run, found: Clearance, record: TrainedFiles | None, config: Config | None) -> Iterator[VerifiedPart]:
    """The parts that training started from."""
    if config is not None:
        yield _configuration(found, config)
    elif record is not None:
        same = record.config == digest_of(run.config)
        words = [] if same else ["config.yaml is not the one that was trained with"]
        yield _compared("configuration", words, "config.yaml is the one that was trained with")
    try:
        named = config if config is not None else _own(run)
    except UserError as error:
        yield VerifiedPart("data", Verdict.SKIP, f"config.yaml does not say which it was: {error.message}")
        return
    given = config is not None
    yield _input("data", lambda: _data(found, named), given)
    yield _input("base model", lambda: _base(found, named), given)


def _own(run: Run) -> Config:
    from sanetune.config.load import load

    return load(run.config)


def _configuration(found: Clearance, config: Config) -> VerifiedPart:
    """The values that somebody has chosen in ``config``, beside those that were checked."""
    from sanetune.gate.fingerprint import settings_of

    recorded, now = found.fingerprint.configuration, settings_of(config)
    chosen = {key for key, origin in config.origins.items() if origin.by_user}
    keys = [key for key in sorted({*recorded, *now}) if _is_chosen(key, chosen)]
    words = [
        f"{key} was {short(recorded.get(key))}, is {short(now.get(key))}"
        for key in keys
        if recorded.get(key) != now.get(key)
    ]
    return _compared("configuration", words, f"{len(keys):,} values are those that were checked")


def _is_chosen(key: str, chosen: set[str]) -> bool:
    """Whether somebody gave ``key`` or what it is a part of; what a source is asked for counts always."""
    parts = key.split(".")
    above = {".".join(parts[:count]) for count in range(2, len(parts) + 1)}
    return bool(above & chosen) or key.startswith(("data.train[", "data.validation["))


def _input(name: str, differences: Callable[[], Sequence[str] | None], given: bool) -> VerifiedPart:
    """A part whose files may be on another machine; where they were ``given``, they have to be here."""
    try:
        words = differences()
    except UserError as error:
        verdict = Verdict.FAIL if given else Verdict.SKIP
        return VerifiedPart(name, verdict, f"not compared: {error.headline}")
    if words is None:
        return VerifiedPart(name, Verdict.SKIP, "not compared: its files are not on this machine")
    return _compared(name, words, "its files are those that were checked")


def _data(found: Clearance, config: Config) -> list[str] | None:
    from sanetune.gate.fingerprint import data_identity

    return data_differences(found.fingerprint.data, data_identity(config))


def _base(found: Clearance, config: Config) -> list[str] | None:
    from sanetune.gate.fingerprint import model_identity

    name = Path(config.model.name)
    if name.is_absolute() and not name.is_dir():
        return None
    return model_differences(found.fingerprint.model, model_identity(config))


def _compared(name: str, words: Sequence[str], same: str) -> VerifiedPart:
    if not words:
        return VerifiedPart(name, Verdict.PASS, same)
    more = f"; {len(words) - SHOWN:,} more" if len(words) > SHOWN else ""
    return VerifiedPart(name, Verdict.FAIL, "; ".join(words[:SHOWN]) + more)
