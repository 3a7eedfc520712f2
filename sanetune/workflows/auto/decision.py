"""A decision: what could be done now, what is done by default, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

END = "end"
"""The state after which nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Option:
    """One of the things that could be done.

    Attributes:
        name: By which it is chosen.
        words: What it is, and what speaks for it or against it.
        then: The state that follows.
        act: The act that is done; "": none.
        with_: What the act is done with, as JSON has it.
        seconds: What it takes at most, as it is forecast; None: nothing that counts.
        barred: Why it cannot be chosen; "": it can.
    """

    name: str
    words: str
    then: str
    act: str = ""
    with_: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    barred: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be decided in a state.

    Attributes:
        options: At least one, of which at least one is not barred.
        chosen: Name of the option that is taken unless somebody says otherwise.
        reason: The reason, with its numbers.
        known: The figures that it rests on.
    """

    options: tuple[Option, ...]
    chosen: str
    reason: str
    known: Mapping[str, Any] = field(default_factory=dict)

    def option(self, name: str) -> Option:
        """Return the option called ``name``.

        Raises:
            KeyError: There is none, or it is barred.
        """
        for one in self.options:
            if one.name == name and not one.barred:
                return one
        raise KeyError(name)


def first_open(*options: Option) -> str:
    """Return the name of the first option that is not barred."""
    return next(one.name for one in options if not one.barred)
