"""The folder in which the autopilot works: where everything is, and the configuration of the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanetune.atomic import write_text
from sanetune.config import yaml_edit
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.events import Publish, silent
from sanetune.runs import Run
from sanetune.workflows.auto.known import Known


@dataclass(frozen=True, slots=True)
class Site:
    """A folder of the autopilot.

    Attributes:
        folder: Absolute.
        publish: Gets the events of all work.
    """

    folder: Path
    publish: Publish = silent

    @property
    def file(self) -> Path:
        """The configuration, as it is now."""
        return self.folder / "sanetune.yaml"

    @property
    def data(self) -> Path:
        """The cleaned copy of the data."""
        return self.folder / "data"

    @property
    def sweep(self) -> Path:
        """Trials of the sweep."""
        return self.folder / "sweep"

    @property
    def model(self) -> Path:
        """The promoted model; it is there where one was promoted."""
        return self.folder / "model"

    @property
    def page(self) -> Path:
        """The page of the journal."""
        return self.folder / "report.html"

    @property
    def messages(self) -> Path:
        """What was sent to adviser and judge, and what they answered."""
        return self.folder / "agent"

    def run(self, attempt: int) -> Run:
        """The folder of a run; ``attempt`` is its index, from 1."""
        return Run(self.folder / "runs" / f"attempt-{attempt}")

    def open_config(self, known: Known) -> Config:
        """Write the configuration that is known to its file, whatever is there, and load it."""
        write_text(self.file, known.config, "Nothing can be checked or trained without it.")
        return load(self.file)

    def text(self) -> str:
        """Return the text of the configuration's file."""
        return self.file.read_text(encoding="utf-8")

    def changed(self, known: Known, changes: Mapping[str, Any], reason: str) -> Config:
        """Write the configuration that is known with ``changes``, and load it.

        Raises:
            ConfigError: They cannot stand together; the file is then as it was.
        """
        self.open_config(known)
        text = yaml_edit.change(known.config, changes, dict.fromkeys(changes, reason) if reason else None)
        write_text(self.file, text)
        try:
            return load(self.file)
        except Exception:
            write_text(self.file, known.config)
            raise
