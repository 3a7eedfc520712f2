"""What went wrong, sorted by whose it is to mend.

A :class:`UserError` is something the person at the keyboard can put right. It carries three sentences (what happened,
why it matters, what to do) and never reaches them as a traceback. Everything else that escapes is a bug of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the user's files something stands.

    ``line`` and ``row`` count from 1 and 0: editors do, data sets do.
    """

    file: str | Path | None = None
    line: int | None = None
    row: int | None = None
    message: int | None = None

    def __str__(self) -> str:
        words = []
        if self.file is not None:
            words.append(f"{self.file}:{self.line}" if self.line is not None else str(self.file))
        if self.row is not None:
            words.append(f"row {self.row}")
        if self.message is not None:
            words.append(f"message {self.message}")
        return ", ".join(words)


class UserError(Exception):
    """An input that cannot be used: says what, why it matters and what to do, and ends the command with
    ``exit_code``."""

    exit_code = 2

    def __init__(
        self,
        what: str,
        why: str = "",
        fix: str = "",
        place: Place | None = None,
        change: Mapping[str, Any] | None = None,
    ) -> None:
        """``change``: ``section.key`` -> the value that mends it, where there is one."""
        super().__init__(what)
        self.what, self.why, self.fix, self.place = what, why, fix, place
        self.change = dict(change or {})

    def __str__(self) -> str:
        head = f"{self.place}: {self.what}" if self.place and str(self.place) else self.what
        return "\n".join(part for part in (head, self.why, self.fix) if part)


class ConfigError(UserError):
    """The YAML, or an override, says something that cannot be meant."""


class DataError(UserError):
    """A data file or its rows cannot be used."""


class TemplateError(UserError):
    """The chat template is missing, refuses a row, or rewrites it so that its spans cannot be found."""


class ModelError(UserError):
    """The model or tokenizer cannot be loaded."""


class RunError(UserError):
    """A run folder cannot be written, read or resumed."""
