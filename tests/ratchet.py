"""Counts that may only shrink: what a rule still finds, by file, beside what was written down.

A test fails when a file has more places than are written down (fix them) and when it has fewer (write the smaller count
down, so that it stays so). ``python -m tests.test_house`` and ``python -m tests.test_terms`` write the counts. They
refuse when the sum for a rule has grown, but follow code that moves from one file to another. Merges of the counts
never conflict (``.gitattributes``); after a merge, run the commands again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Counts = dict[str, dict[str, int]]
"""Rule -> file (from the root of the repository) -> number of places."""

Places = Mapping[str, list[str]]
"""File -> what is in it, as text for the message."""


def read(file: Path) -> Counts:
    """Return what is written down in ``file``: one line "rule, tab, file, tab, count" each."""
    counts: Counts = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        rule, name, count = line.split("\t")
        by = counts.setdefault(rule, {})
        by[name] = min(int(count), by.get(name, int(count)))  # twice after a merge: the smaller one is newer
    return counts


def difference(rule: str, found: Places, file: Path, command: str) -> str:
    """Return what differs between ``found`` and what is written down, as a message; "" where nothing does."""
    written = read(file).get(rule, {})
    more = [
        f"{name} has {len(places)} and may have {written.get(name, 0)}:\n    " + "\n    ".join(places)
        for name, places in sorted(found.items())
        if len(places) > written.get(name, 0)
    ]
    if more:
        return f"{rule}\n  " + "\n  ".join(more)
    fewer = [name for name, count in written.items() if len(found.get(name, [])) < count]
    return (
        f"{rule}: better than written down, thank you. Run {command} and commit {file.name}: {fewer}" if fewer else ""
    )


def write(found: Mapping[str, Places], file: Path) -> None:
    """Write the counts of ``found`` (rule -> places) down; SystemExit when the sum of a rule has grown."""
    counts = {rule: {name: len(places) for name, places in by.items() if places} for rule, by in found.items()}
    before = read(file)
    for rule, by in counts.items():
        if before and sum(by.values()) > sum(before.get(rule, {}).values()):
            changed = [
                difference(rule, found[rule], file, ""),
                "Fix these; a rule that is new starts with an empty file.",
            ]
            raise SystemExit("\n".join(changed))
    lines = [f"{rule}\t{name}\t{count}\n" for rule, by in sorted(counts.items()) for name, count in sorted(by.items())]
    file.write_text("".join(lines), encoding="utf-8")
    for rule, by in sorted(counts.items()):
        print(f"{sum(by.values()):6} {rule}")
