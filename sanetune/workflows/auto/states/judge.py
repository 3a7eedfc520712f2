"""Whether the judge is asked for its votes, which are shown and decide nothing."""

from __future__ import annotations

from sanetune.workflows.auto.decision import Decision, Option
from sanetune.workflows.auto.forecasts import COMPARED, REPORT_SECONDS, bar
from sanetune.workflows.auto.known import Known

VOTE_SECONDS = 5.0
"""Seconds of a vote; each pair of answers takes two."""


def decide(known: Known) -> Decision:
    """Ask where it fits."""
    takes = 2 * COMPARED * VOTE_SECONDS
    ask = Option(
        "ask",
        "let the judge choose between both answers to each prompt, blind, in both orders",
        "verdict",
        "judge",
        seconds=takes,
        barred=bar(known, takes, REPORT_SECONDS),
    )
    skip = Option("skip", "go on without votes", "verdict")
    if ask.barred:
        return Decision((skip, ask), skip.name, ask.barred)
    return Decision((ask, skip), ask.name, "a judge is configured; its votes are shown beside what code has measured")
