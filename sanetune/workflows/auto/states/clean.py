"""Whether a cleaned copy of the data is made."""

from __future__ import annotations

from sanetune import units
from sanetune.workflows.auto.decision import Decision, Option
from sanetune.workflows.auto.forecasts import bar, copy_seconds
from sanetune.workflows.auto.known import Known

CLEANED = frozenset(
    (
        "rows-unreadable",
        "rows-duplicated",
        "rows-leaked",
        "rows-empty-reply",
        "rows-roles",
        "rows-encoding",
        "template-refuses",
    )
)
"""Checks whose rows a cleaned copy leaves out or repairs."""


def decide(known: Known) -> Decision:
    """Clean where a finding is about rows that a copy leaves out or repairs."""
    inspected = known.inspected
    assert inspected is not None
    found = [one for one in inspected.found if one.check in CLEANED]
    takes = copy_seconds(known)
    copy = Option(
        "clean",
        "write a copy without those rows, with a log of each; the data stays as it is",
        "plan",
        "copy",
        seconds=takes,
        barred=bar(known, takes),
    )
    keep = Option("keep", "go on with the rows as they are", "plan")
    names = ", ".join(one.check for one in found)
    figures = {
        "rows": inspected.rows,
        "unreadable": inspected.unreadable,
        "found": [one.check for one in inspected.found],
    }
    if found and not copy.barred:
        return Decision((copy, keep), copy.name, f"rows are found by {names}", figures)
    reason = f"{units.many(inspected.rows, 'row')}, and no finding that a copy would fix"
    return Decision((keep, copy), keep.name, copy.barred if found else reason, figures)
