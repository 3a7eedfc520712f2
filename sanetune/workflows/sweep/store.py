"""The trials that a sweep has made, in a file that a kill leaves whole up to its last line."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from sanetune.config.schema import Config
from sanetune.errors import RunError
from sanetune.gate.identity import Identity
from sanetune.typed_json import from_json, to_json
from sanetune.workflows.sweep.result import SweepTrial
from sanetune.workflows.sweep.space import Changes

FILE, RESULT, START, PROBE = "trials.jsonl", "sweep.json", "start.json", "critical.json"
UNRELATED = ("run", "check", "budget")
"""Sections that change nothing of a trial."""


class TrialStore:
    """Trials by their key, kept in a folder; another process may add to them.

    Args:
        folder: Of the sweep; made where it is missing.

    Raises:
        RunError: The folder cannot be written, or holds something else than a sweep.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        except OSError as error:
            raise RunError(
                f"The folder {folder} of the sweep cannot be written: {error.strerror or error}.",
                "Trials are kept in it as they are made.",
                "Give another with --out: one that is new, or that a sweep has left.",
            ) from None
        if names and not names & {FILE, RESULT, START, PROBE}:
            raise RunError(
                f"The folder {folder} is no sweep's: it holds {_some(sorted(names))}.",
                "The sweep's files would lie among others.",
                "Give another with --out: one that is new, or that a sweep has left.",
            )
        self._made = {one.key: one for one in self._read()}

    def get(self, key: str) -> SweepTrial | None:
        """Return the trial that was made with this key; None: there is none."""
        return self._made.get(key)

    def add(self, trial: SweepTrial) -> None:
        """Keep ``trial``; it is on the disk when this returns."""
        line = json.dumps(to_json(trial), ensure_ascii=False, allow_nan=False) + "\n"
        with self.file.open("a+b") as out:
            # After a kill in the middle of a line, the next one must not be joined to it.
            if out.seek(0, os.SEEK_END) and self.file.read_bytes()[-1:] != b"\n":
                line = "\n" + line
            out.write(line.encode())
            out.flush()
            os.fsync(out.fileno())
        self._made[trial.key] = trial

    def _read(self) -> list[SweepTrial]:
        """The trials in the file, without lines that a kill or a stranger has left."""
        if not self.file.is_file():
            return []
        found = []
        for line in self.file.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                found.append(from_json(SweepTrial, json.loads(line)))
            except ValueError:
                continue
        return found


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def key_of(resolved: Config, changes: Changes, steps: int, data: str, model: Mapping[str, Identity]) -> str:
    """Return the digest of all that decides how a trial goes.

    Args:
        resolved: Its configuration, without unset values.
        changes: What it changes.
        steps: Its optimizer steps.
        data: Fingerprint of the rows.
        model: Identity of the base's files, or its commit: other weights under the same name make another trial.
    """
    plain = {name: value for name, value in resolved.model_dump(mode="json").items() if name not in UNRELATED}
    text = json.dumps([plain, changes, steps, data, model], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
