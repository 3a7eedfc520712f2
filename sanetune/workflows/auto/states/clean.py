"""Whether rows are held out that nobody has held out, and a cleaned copy of the data is made."""

from __future__ import annotations

from sanetune import units
from sanetune.workflows.auto.decision import Decision, Option
from sanetune.workflows.auto.forecasts import aim, bar, copy_seconds, inspect_again_seconds, reserve
from sanetune.workflows.auto.known import HELD_OUT, INSTEAD, Known
from sanetune.workflows.auto.states.ways import FEWEST, give_up

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
    """Hold rows out first; then clean where a finding is about rows that a copy leaves out or repairs."""
    inspected = known.inspected
    assert inspected is not None
    hold = _hold_out(known)
    found = [one for one in inspected.found if one.check in CLEANED]
    takes = copy_seconds(known)
    copy = Option(
        "clean",
        "write a copy without rows that have a fault, with a log of each; the data stays as it is",
        "plan",
        "copy",
        seconds=takes,
        barred=bar(known, takes),
    )
    keep = Option("keep", "go on with the rows as they are", "plan")
    names = ", ".join(one.check for one in found)
    figures = {
        "rows": inspected.rows,
        "held_out": inspected.validation,
        "unreadable": inspected.unreadable,
        "found": [one.check for one in inspected.found],
    }
    if not _not_held_out(known):
        reason = "no row is held out, and without one no model can be shown to be better"
        if hold.barred:
            stop = give_up(known)
            reason = f"{reason}: {hold.barred}; {aim(known, (hold.seconds or 0.0) + reserve(known))}"
            return Decision((hold, stop), stop.name, reason, figures)
        return Decision((hold, copy, keep), hold.name, reason, figures)
    if found and not copy.barred:
        return Decision((copy, keep), copy.name, f"rows are found by {names}", figures)
    reason = f"{units.many(inspected.rows, 'row')}, and no finding that a copy would fix"
    return Decision((keep, copy), keep.name, copy.barred if found else reason, figures)


def _hold_out(known: Known) -> Option:
    """Hold rows out in place of those that are not there; reading all of them again is what it takes."""
    assert known.inspected is not None
    changes = INSTEAD if known.inspected.named else HELD_OUT
    words = "hold out a tenth of the rows, and read them again"
    if known.inspected.named:
        words = "hold out a tenth of the training rows, since data.validation gives none, and read them again"
    takes = inspect_again_seconds(known)
    barred = _not_held_out(known) or bar(known, takes or 0.0)
    return Option("hold out", words, "inspect", "change", {"changes": changes, "tried": changes}, takes, barred)


def _not_held_out(known: Known) -> str:
    """Why no rows are held out; "": they can be."""
    inspected = known.inspected
    assert inspected is not None
    if inspected.validation:
        return f"{units.many(inspected.validation, 'row')} are held out"
    if HELD_OUT in known.tried or INSTEAD in known.tried:
        return "this was tried before"
    return "" if inspected.rows > FEWEST else f"{units.many(inspected.rows, 'row')} are too few"
