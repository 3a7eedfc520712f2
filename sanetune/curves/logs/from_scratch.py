"""Whether a run began from random weights, as its path or what it printed says: its first loss is that of guessing."""

from __future__ import annotations

import re
from dataclasses import replace

from sanetune.curves.logs.log import Log

WORDS = re.compile(r"from[-_ ]?scratch", re.IGNORECASE)
FOLDERS = 3
"""Folders above a log whose names count, its own among them: those further up are no names of a run."""
HEAD = 20_000
"""Characters of printed output that are read for it: programs say it before they begin, nanoGPT for one."""
SAID = "Taken for a run from random weights, as {} says: its loss may begin at that of guessing."


def marked(log: Log) -> Log:
    """Return the log with what its path says.

    >>> from pathlib import Path
    >>> marked(Log(Path("gpt-from-scratch/out/train.log"), "printed lines", [])).from_scratch
    True
    """
    parts = log.path.absolute().parts[-FOLDERS - 1 :]
    said = next((part for part in reversed(parts) if WORDS.search(part)), None)
    return by(log, f"“{said}” in its path") if said and not log.from_scratch else log


def printed_in(text: str) -> bool:
    """Return whether printed output says that its run began from random weights."""
    return bool(WORDS.search(text[:HEAD]))


def by(log: Log, source: str) -> Log:
    """Return the log as one of a run from random weights.

    Args:
        log: As it was read.
        source: What says so, for the note.
    """
    return replace(log, from_scratch=True, notes=(*log.notes, SAID.format(source)))
