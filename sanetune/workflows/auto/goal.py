"""A goal that code can measure: a measure of the comparison and a number. Any other is for adviser and judge."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sanetune.text import shorten
from sanetune.workflows.auto.facts import Compared

BELOW, ABOVE = ("<", "<=", "below", "under", "at most"), (">", ">=", "above", "over", "at least")
LOSS = "validation loss falls by"


@dataclass(frozen=True, slots=True)
class Goal:
    """A measure that has to be on one side of a number.

    Attributes:
        measure: Its name, as `sanetune compare` has it, or :data:`LOSS`.
        above: Whether it has to be at least ``number``; otherwise at most.
        number: A share from 0 to 1, or nats per token.
    """

    measure: str
    above: bool
    number: float

    def value(self, compared: Compared) -> float | None:
        """Return the measure of the tuned model; None: it was not measured."""
        if self.measure == LOSS:
            return None if compared.loss is None else -compared.loss
        counts = compared.measures.get(self.measure)
        return None if counts is None or not counts[3] else counts[2] / counts[3]

    def met(self, compared: Compared) -> bool:
        """Return whether it is reached; what was not measured is not."""
        value = self.value(compared)
        return value is not None and (value >= self.number if self.above else value <= self.number)

    def words(self, compared: Compared) -> str:
        """Return the goal beside what was measured."""
        value = self.value(compared)
        side = "at least" if self.above else "at most"
        return f"{self.measure} {side} {self.number:g}, and it is {'not measured' if value is None else f'{value:.3g}'}"


def unread(goal: str, agent: bool) -> str:
    """Say that nobody reads ``goal``; "" where code measures it, an agent reads it, or there is none.

    Args:
        goal: As it was typed.
        agent: Whether there is an adviser and judge.
    """
    if not goal.strip() or agent or measured_goal(goal) is not None:
        return ""
    return (
        f"the goal {shorten(goal, 80)!r} counts for nothing: it names no measure with a number, as in 'ends by itself"
        " at least 95%', and there is no adviser or judge to read it (agent.base_url)"
    )


def measured_goal(text: str) -> Goal | None:
    """Return the goal in ``text`` where code can measure it.

    >>> measured_goal("ends by itself at least 95%")
    Goal(measure='ends by itself', above=True, number=0.95)
    >>> measured_goal("validation loss falls by 0.2")
    Goal(measure='validation loss falls by', above=True, number=0.2)
    >>> measured_goal("polite answers") is None
    True
    """
    # "falls by 0.2" means at least so much.
    text = re.sub(rf"^{LOSS}\s+(?=\d)", f"{LOSS} at least ", text.strip(), flags=re.IGNORECASE)
    found = re.fullmatch(
        r"([a-zA-Z][a-zA-Z ]{2,40}?)\s*(<=|>=|<|>|below|under|at most|above|over|at least)\s*(\d+(?:\.\d+)?)\s*(%?)",
        text,
    )
    if found is None:
        return None
    measure, side, number, percent = found.groups()
    return Goal(" ".join(measure.lower().split()), side in ABOVE, float(number) / (100 if percent else 1))
