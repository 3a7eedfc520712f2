"""Promote or reject: a model is promoted only where held-out rows show it better, cleared, and nothing is forgotten."""

from __future__ import annotations

from typing import Any

from sanetune.workflows.auto.decision import Decision, Option, first_open
from sanetune.workflows.auto.facts import Compared
from sanetune.workflows.auto.goal import measured_goal, unread
from sanetune.workflows.auto.known import Known
from sanetune.workflows.auto.states.ways import longer, lower_lr, reject, retry

FORGOTTEN = ("warn", "fail", "crash")
"""Verdicts of model-forgets with which nothing is promoted; a skip says that nothing could be measured."""


def decide(known: Known) -> Decision:
    """Promote what all conditions hold for; otherwise try once more what may help, or reject with the reason."""
    compared = known.compared
    assert compared is not None
    against = objections(known)
    promote = Option(
        "promote",
        "put the tuned model into the folder `model`",
        "report",
        "promote",
        {"outcome": "promoted"},
        barred="; ".join(against),
    )
    changes, words = _remedy(known, compared)
    again = retry(known, changes, words)
    stop = reject(known)
    chosen = first_open(promote, again, stop)
    figures = {
        "verdict": compared.verdict,
        "loss": compared.loss,
        "interval": [compared.low, compared.high],
        "rows": compared.rows,
        "cleared": compared.cleared,
        "forgot": compared.forgot,
        "judge": None if known.judged is None else [known.judged.win_rate, known.judged.low, known.judged.high],
    }
    reason = _praise(compared, unread(known.request.goal, known.agent)) if chosen == promote.name else promote.barred
    if chosen == stop.name:
        reason = f"{reason}; no other attempt: {again.barred}"
    return Decision((promote, again, stop), chosen, reason, figures)


def objections(known: Known) -> list[str]:
    """Return what speaks against promoting, in words; empty: nothing does."""
    compared = known.compared
    assert compared is not None
    found = []
    if not compared.rows:
        found.append("there are no held-out rows that could show it better (data.holdout)")
    if compared.verdict != "better":
        found.append(f"held-out rows say: {compared.verdict}")
    if not compared.cleared:
        found.append(f"the clearance does not hold: {compared.uncleared}")
    if compared.forgot in FORGOTTEN:
        found.append(f"it has forgotten: {compared.forgot_words.rstrip('.')}")
    if (goal := measured_goal(known.request.goal)) is not None and not goal.met(compared):
        found.append(f"the goal is not reached: {goal.words(compared)}")
    return found


def _praise(compared: Compared, goal: str) -> str:
    words = f"better in {', '.join(compared.better)}, worse in nothing, on {compared.rows:,} held-out rows"
    kept = "not measured" if compared.forgot in ("skip", "") else "kept"
    praise = f"{words}; the clearance holds; general knowledge: {kept}"
    return f"{praise}; {goal}" if goal else praise


def _remedy(known: Known, compared: Compared) -> tuple[dict[str, Any], str]:
    """What may help, by what speaks against it, and why."""
    if not compared.cleared:
        return {}, "begin again"
    if compared.forgot in FORGOTTEN:
        return lower_lr(known), "begin again with a lower learning rate, which forgets less"
    falls = (compared.loss or 0.0) < 0
    if compared.verdict == "mixed" and falls and known.trained and known.trained.falling:
        # Answers are worse while the loss falls to the end: what makes them, ends above all, is not learned yet.
        return longer(known), "the loss falls to the end, and answers are not there yet: train for longer"
    if compared.verdict in ("worse", "mixed"):
        return lower_lr(known), "begin again with a lower learning rate"
    if compared.verdict == "no difference shown" and falls:
        return longer(known), "the loss has fallen: train for longer"
    return {}, "begin again"
