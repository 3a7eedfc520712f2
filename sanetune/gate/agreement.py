"""What findings of one report propose together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sanetune.finding import Finding

LEARNING_RATE = "train.learning_rate"


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
