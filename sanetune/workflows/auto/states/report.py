"""The last state: write down what became of it."""

from __future__ import annotations

from sanetune.workflows.auto.decision import END, Decision, Option
from sanetune.workflows.auto.known import Known


def decide(known: Known) -> Decision:
    """Write the report; it takes nothing that counts."""
    report = Option("report", "write the page of what was decided, and why", END, "report")
    return Decision((report,), report.name, f"{known.outcome}: {known.reason}")
