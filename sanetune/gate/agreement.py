"""What findings of one report propose together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sanetune.finding import BAD, Finding

LEARNING_RATE = "train.learning_rate"
LOWER = ("curve-diverged", "curve-oscillating", "curve-spike", "curve-norm-growth", "curve-overfit")
"""Checks whose findings a lower learning rate answers, what is worst first."""
HIGHER = ("curve-plateau", "curve-stalled", "curve-unfinished")
"""Checks whose findings a higher one may answer."""

REASONS = {
    "samples-no-stop": (
        ("template-end-unlearnt", "tokens-cut-reply", "curve-rate-beaten"),
        "Train for more steps (train.num_train_epochs or max_steps; check.trial_steps of the trial)",
    ),
    "samples-off-form": (
        ("labels-missing-reply", "tokens-cut-reply", "curve-rate-beaten", "template-drift"),
        "Read the answers shown, then train for more steps or on more rows",
    ),
}
"""Checks whose pages send to others for the reason: to which, and what is left where those have found nothing."""


def with_reasons(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, of which none sends to checks that have found nothing in the same report.

    Checks that were left out of the report are named where none of those in it has found anything.

    >>> from sanetune.finding import Verdict
    >>> open_ones = Finding("samples-no-stop", Verdict.FAIL, "", remedy="See tokens-cut-reply and others.")
    >>> cut, end = Finding("tokens-cut-reply", Verdict.WARN, ""), Finding("template-end-unlearnt", Verdict.PASS, "")
    >>> with_reasons([open_ones, cut, end])[0].remedy
    'See tokens-cut-reply for the reason.'
    """
    return [_with_reason(one, {other.check: other for other in findings}) for one in findings]


def _with_reason(one: Finding, found: Mapping[str, Finding]) -> Finding:
    # A remedy of the finding's own stays.
    if one.check not in REASONS or one.verdict not in BAD or not one.remedy.startswith("See "):
        return one
    checks, otherwise = REASONS[one.check]
    at_fault = [name for name in checks if name in found and found[name].verdict in BAD]
    named = at_fault or [name for name in checks if name not in found]
    if named:
        return replace(one, remedy=f"See {_listed(named)} for the reason.")
    return replace(one, remedy=f"{otherwise}: {_listed(checks)} found nothing.")


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def one_learning_rate(findings: Sequence[Finding], priorities: Mapping[str, int]) -> list[Finding]:
    """Return the findings, all of which propose the same learning rate where they propose one.

    Args:
        findings: Worst first.
        priorities: ``FIX_PRIORITY`` of each check: what was compared on held-out rows is before a rule of thumb. Of two
            with the same priority the worse finding decides.

    >>> from sanetune.finding import Verdict
    >>> tenth = Finding("a", Verdict.FAIL, "", fix={"train.learning_rate": 1e-5})
    >>> third = Finding("b", Verdict.WARN, "", fix={"train.learning_rate": 3e-5})
    >>> [one.fix["train.learning_rate"] for one in one_learning_rate([tenth, third], {"b": 20})]
    [3e-05, 3e-05]
    """
    proposing = [finding for finding in findings if LEARNING_RATE in finding.fix]
    if len(proposing) < 2:
        return list(findings)
    first = max(proposing, key=lambda finding: priorities.get(finding.check, 0))
    same = {LEARNING_RATE: first.fix[LEARNING_RATE]}
    return [replace(one, fix=one.fix | same) if LEARNING_RATE in one.fix else one for one in findings]


def one_direction(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, of which none asks for a higher learning rate beside one that asks for a lower one.

    A loss that stays where it is after a fault is what the fault has left.

    >>> from sanetune.finding import Verdict
    >>> high = Finding("curve-diverged", Verdict.FAIL, "", remedy="Lower it.")
    >>> flat = Finding("curve-plateau", Verdict.WARN, "", remedy="Raise it tenfold.")
    >>> [one.remedy for one in one_direction([high, flat])]
    ['Lower it.', 'See curve-diverged first.']
    """
    found = {one.check for one in findings if one.verdict in BAD}
    first = next((check for check in LOWER if check in found), None)
    if first is None:
        return list(findings)
    turned = [one.check in HIGHER and one.verdict in BAD for one in findings]
    return [
        replace(one, remedy=f"See {first} first.") if is_ else one for one, is_ in zip(findings, turned, strict=True)
    ]
