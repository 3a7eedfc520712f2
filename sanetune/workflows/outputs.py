"""Files that a command is asked to write: none of them may take the place of an input."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.config.paths import named_paths
from sanetune.errors import RunError
from sanetune.gate.baseline import LARGEST

if TYPE_CHECKING:
    from sanetune.config.schema import Config

READ_AS_ROWS = (".json", ".jsonl", ".csv", ".parquet")
"""Endings of a new file that would become rows in a folder of data."""


def require_no_inputs(config: Config, given: Path, outputs: Mapping[str, Path]) -> None:
    """Check that no output is the configuration, or a file that it names.

    Args:
        config: The configuration.
        given: Its file, as it was typed.
        outputs: Option -> the file that it writes.

    Raises:
        RunError: One of them is, or would become part of a folder of data.
    """
    inputs = [(given.resolve(), "the configuration"), *_inputs(config)]
    for option, file in outputs.items():
        there = file.resolve()
        for one, words in inputs:
            inside = one in there.parents and (there.exists() or there.suffix.lower() in READ_AS_ROWS)
            if there == one or (inside and one.is_dir()):
                raise RunError(
                    f"{option} {file} would be written {'into' if inside else 'over'} {words}.",
                    "An output never replaces an input, nor becomes part of it.",
                    f"Give {option} another file.",
                )


def _inputs(config: Config) -> Iterator[tuple[Path, str]]:
    for key, text in named_paths(config):
        if key.startswith("run."):
            continue
        source = config.folder / text
        for one in glob.glob(str(source), recursive=True) or [str(source)]:
            yield Path(one).resolve(), f"what {key} names"


def require_baseline_or_new(file: Path) -> None:
    """Check that a baseline that is to be written replaces nothing but a baseline, of whichever version.

    Raises:
        RunError: ``file`` is there, not empty, and no baseline.
    """
    if not file.is_file() or not (size := file.stat().st_size):
        return
    try:
        found = json.loads(file.read_bytes()) if size <= LARGEST else None
    except (OSError, ValueError, RecursionError):
        found = None
    if not (isinstance(found, dict) and {"schema", "findings"} <= found.keys() and isinstance(found["findings"], dict)):
        raise RunError(
            f"--write-baseline {file} would replace a file that is no baseline.",
            "What is in it would be lost.",
            "Give a new file, or the baseline that it replaces; to read one, use --baseline.",
        )
