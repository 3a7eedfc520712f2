"""Files that are written whole or not at all, and JSON without numbers that JSON does not have.

JSON has no NaN and no infinity, and Python's ``json`` writes bare ``NaN``, which other programs refuse. There are two
policies:

- Files of a run, which sanetune reads back (``metrics.jsonl``, ``samples.json``, ``proof.json``, …), hold the strings
  "NaN", "Infinity" and "-Infinity": a loss that diverged must stay visible. :func:`name_non_finite` makes them,
  :func:`restore_non_finite` reads them.
- What only other programs read (``--json``, the data in the HTML page) holds ``null``, as orjson writes it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from typing import TypeVar

from sanetune.errors import RunError

T = TypeVar("T")

NON_FINITE = ("NaN", "Infinity", "-Infinity")
"""How files spell the floats that JSON does not have; ``float`` reads each of them."""


def write_bytes(path: Path, data: bytes, rationale: str = "", remedy: str = "") -> None:
    """Write ``data`` to ``path`` so that a reader finds the old content or all of the new.

    The data go to a hidden file beside it first, which then takes its place and keeps its permissions. Missing folders
    are made. What is no regular file (``/dev/stdout``, a pipe) is written to directly.

    Args:
        path: The file.
        data: Its whole content.
        rationale: Why it matters when it cannot be written, for the error.
        remedy: What to do then, for the error.

    Raises:
        RunError: The file cannot be written. The former content is still there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        partial.write_bytes(data)
        if path.exists():
            partial.chmod(path.stat().st_mode & 0o777)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise RunError(f"{path} cannot be written: {error.strerror or error}.", rationale, remedy) from None


def write_text(path: Path, text: str, rationale: str = "", remedy: str = "") -> None:
    """Write ``text`` to ``path`` in UTF-8 as :func:`write_bytes` does; lone surrogates become question marks.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text(Path(folder) / "new" / "a.txt", "whole")
        ...     (Path(folder) / "new" / "a.txt").read_text()
        'whole'
    """
    write_bytes(path, text.encode("utf-8", "replace"), rationale, remedy)


def json_text(value: object) -> str:
    """Return ``value`` as indented JSON as files have it; see :func:`name_non_finite`.

    What JSON does not know (paths, dates) is written as text.

    >>> json_text({"loss": float("nan")})
    '{\\n "loss": "NaN"\\n}\\n'
    """
    return json.dumps(name_non_finite(value), ensure_ascii=False, allow_nan=False, indent=1, default=str) + "\n"


def write_json(path: Path, value: object, rationale: str = "", remedy: str = "") -> None:
    """Write ``value`` to ``path`` as :func:`json_text` has it, and as :func:`write_bytes` does."""
    write_text(path, json_text(value), rationale, remedy)


def name_non_finite(value: object) -> object:
    """Return ``value`` with a string for every float, in lists and mappings too, that JSON does not have.

    Example:
        >>> name_non_finite({"loss": float("nan"), "norms": (1.0, float("-inf"))})
        {'loss': 'NaN', 'norms': [1.0, '-Infinity']}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: name_non_finite(one) for key, one in value.items()}
    return [name_non_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def restore_non_finite(value: T) -> T | float:
    """Return the float that one of :data:`NON_FINITE` stands for, and any other value as it is.

    Only where a number is expected: a text that happens to be "NaN" would become one too.

    Example:
        >>> restore_non_finite("Infinity"), restore_non_finite(2.5), restore_non_finite("text")
        (inf, 2.5, 'text')
    """
    return float(value) if isinstance(value, str) and value in NON_FINITE else value
