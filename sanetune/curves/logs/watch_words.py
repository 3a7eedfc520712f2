"""That sanetune's watch has ended a run, as the run itself printed it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sanetune.curves.logs.entries import Entry
from sanetune.text import listing

KEY = "ended_by"
"""The name of an entry that says so."""
ENDED = re.compile(
    r"the watch has (?:stopped|ended) this run after step [\d,]+"
    r"(?: \((?P<checks>curve-[a-z-]+(?:, curve-[a-z-]+)*)\)|[^:\r\n]*:(?P<lines>(?:\r?\n +curve-[a-z-]+: [^\r\n]*)+))",
    re.IGNORECASE,
)
"""A turn back to an earlier checkpoint is told in one line, a stop in the message of an exception."""
CHECK = re.compile(r"(?:^|, |\n +)(curve-[a-z-]+)")


def endings(text: str) -> Iterator[tuple[int, Entry]]:
    """Yield an entry for each time that a text says it, with the place of its end.

    >>> [one for _, one in endings("The watch has ended this run after step 120 (curve-nan): no checkpoint is left.")]
    [{'ended_by': "sanetune's watch (curve-nan)"}]
    """
    for found in ENDED.finditer(text):
        yield found.end(), {KEY: in_words(CHECK.findall(found["checks"] or found["lines"]))}


def in_words(checks: Sequence[str]) -> str:
    """Return that the watch has ended a run because of what ``checks`` found, as findings say it."""
    return f"sanetune's watch ({listing(dict.fromkeys(checks))})"


def ended_by(entries: Sequence[Entry]) -> str:
    """Return what ended the run with these entries, in words; empty where none says it, or training went on."""
    for entry in reversed(entries):
        if KEY in entry or "loss" in entry:
            return str(entry.get(KEY, ""))
    return ""
