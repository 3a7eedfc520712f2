"""Errors that the user can fix, by what they are about.

A :class:`UserError` is a fault of the input: a message, why it matters, what to do, and the place. The command line
prints it without a traceback and exits with its code. Every other exception is a bug and keeps its traceback::

    UserError                     exit code 2
    ├── ConfigError               the YAML file or an override
    ├── DataError                 a data file or its rows
    ├── TemplateError             the chat template
    │   ├── RefusedError          it refuses rows (sanetune.data.examples)
    │   └── TemplateStoppedError  it was stopped at a limit (sanetune.data.template.chat_template)
    ├── ModelError                the model or tokenizer
    ├── RunError                  a run folder or another output file
    │   ├── GoneProcessError      another process of the launch has ended (sanetune.engine.distributed)
    │   └── StepTooLargeError     a step does not fit in memory (sanetune.engine.memory)
    ├── EndpointError             a server of a model (sanetune.serving.http)
    │   ├── RefusedRequestError   it refuses the request
    │   └── NotJsonError          its answer is no JSON
    ├── AgentError                the adviser or judge of an autopilot (sanetune.workflows.auto.agent.client)
    └── GateError                 exit code 1: a check failed (sanetune.finding)

To add one, subclass the error that names the same input, keep the parameters (or give new ones defaults, so that it can
be pickled), and raise it with all three sentences.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the user's files.

    Args:
        file: Path of the file.
        line: Line number, from 1, as editors count.
        row: Row number, from 0, as data sets count.
        message: Number of the message in its conversation, from 0.

    Example:
        >>> str(Place("rows.jsonl", line=3, row=2))
        'rows.jsonl:3, row 2'
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
    """An input that cannot be used.

    Args:
        message: What is wrong, with the value that was found.
        rationale: Why it matters, in one sentence.
        remedy: What to do, in one sentence.
        place: File, line, row or message.
        fix: ``section.key`` -> the value that fixes it, if one is known.

    Example:
        >>> place = Place("a.yaml", 3)
        >>> error = ConfigError("train.learning_rate is -1", "Loss would rise.", "Give a positive number.", place)
        >>> print(error)
        a.yaml:3: train.learning_rate is -1
        Loss would rise.
        Give a positive number.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        rationale: str = "",
        remedy: str = "",
        place: Place | None = None,
        fix: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.rationale, self.remedy, self.place = message, rationale, remedy, place
        self.fix = dict(fix or {})

    @property
    def headline(self) -> str:
        """Place and message; the place is only ``override`` where the message names its key."""
        place = "" if self.place is None else str(self.place)
        kind, _, key = place.partition(" ")
        if kind == "override" and re.search(rf"(?<![\w.]){re.escape(key)}(?!\.?\w)", self.message):
            place = kind
        return f"{place}: {self.message}" if place else self.message

    def __str__(self) -> str:
        head = self.headline
        return "\n".join(part for part in (head, self.rationale, self.remedy) if part)


class ConfigError(UserError):
    """The YAML file or an override has a value that cannot be used."""


class DataError(UserError):
    """A data file or its rows cannot be used."""


class TemplateError(UserError):
    """The chat template is missing, refuses a row, or rewrites it so that its spans cannot be found."""


class ModelError(UserError):
    """The model or tokenizer cannot be loaded."""


class RunError(UserError):
    """A run folder cannot be written, read or resumed."""


def require_utf8_name(path: str | Path) -> None:
    r"""Check that ``path`` can be written into a configuration, a report and a table, which are UTF-8.

    Example:
        >>> require_utf8_name("déjà.jsonl")

    Raises:
        DataError: It holds bytes that are not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace") if _is_from_bytes(str(path)) else ascii(path)
        raise DataError(
            f"the name {shown} is not UTF-8",
            "Configurations, tables and reports are UTF-8, and could not name it.",
            "Rename that file or folder.",
        ) from None


def _is_from_bytes(text: str) -> bool:
    """Whether every lone surrogate stands for a byte, as in names that the operating system gives."""
    return all(0xDC80 <= ord(sign) <= 0xDCFF for sign in text if 0xD800 <= ord(sign) <= 0xDFFF)
