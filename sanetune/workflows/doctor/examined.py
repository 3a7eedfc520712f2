"""What was examined, and how it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

State = Literal["ok", "note", "missing", "broken"]
"""``note``: works, and could be better; ``missing``: optional and not there; ``broken``: nothing trains with it."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One thing that was examined.

    Attributes:
        part: ``packages``, ``devices``, ``precision``, ``disk``, ``trackers``, ``extras`` or ``environment``.
        name: Of the thing.
        state: How it is.
        message: What was found, in words.
        command: What puts it right; "" where nothing has to be, or no command does.
    """

    part: str
    name: str
    state: State
    message: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was examined, in the order in which it is shown."""

    items: list[Examined]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is broken."""
        return all(item.state != "broken" for item in self.items)

    def to_json(self) -> dict[str, Any]:
        """The contract of ``--json``."""
        items = [
            {
                "part": item.part,
                "name": item.name,
                "state": item.state,
                "message": item.message,
                "command": item.command,
            }
            for item in self.items
        ]
        return {"schema": 1, "verdict": "pass" if self.is_sound else "fail", "items": items}
