"""How many steps and epochs a run was to have, as a Trainer says it in the text of its bar or before it begins."""

from __future__ import annotations

import re
from dataclasses import dataclass

BAR = re.compile(r"\[\s*(\d{1,9})/(\d{1,9}) [^\]]{0,80}?(?:Epoch\s+[\d.]+/(\d{1,6}))?\]")
"""The text of the bar that a Trainer draws in a notebook: steps done and in all, and epochs in all."""
STEPS = re.compile(r"Total (?:optimization )?steps\s*=\s*(\d[\d,]{0,12})", re.IGNORECASE)
EPOCHS = re.compile(r"Num Epochs\s*=\s*(\d[\d,]{0,8})", re.IGNORECASE)
"""What it prints before the first step, as Unsloth does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run was to be.

    Attributes:
        steps: In all; None: not known.
        epochs: In all; None: not known.
        reached: The last step that was made; None: not known.
    """

    steps: int | None
    epochs: int | None = None
    reached: int | None = None


def plans_in(text: str) -> list[Plan]:
    """Return the plans of the runs in a text, by their bars, or else the one that is printed in it.

    >>> plans_in("[40/60 01:02 < 00:30, 1.00 it/s, Epoch 2/3]")
    [Plan(steps=60, epochs=3, reached=40)]
    >>> plans_in("Num Epochs = 4 | Total steps = 1,620")
    [Plan(steps=1620, epochs=4, reached=None)]
    """
    printed = _printed(text)
    found = []
    for bar in BAR.finditer(text):
        epochs = int(bar[3]) if bar[3] else printed.epochs
        # A bar may have been saved one update ahead of the last step.
        found.append(Plan(int(bar[2]), epochs or None, min(int(bar[1]), int(bar[2]))))
    return found or ([printed] if printed.steps else [])


def _printed(text: str) -> Plan:
    """What is printed, where it is printed once."""
    steps, epochs = ({int(one.replace(",", "")) for one in pattern.findall(text)} for pattern in (STEPS, EPOCHS))
    return Plan(steps.pop() if len(steps) == 1 else None, epochs.pop() if len(epochs) == 1 else None)
