"""How many steps a run and each of its epochs were to have, as a Trainer says it in its bar or before it begins."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

BAR = re.compile(r"\[\s*(\d{1,9})/(\d{1,9}) [^\]]{0,80}?(?:Epoch\s+(\d{1,6}(?:\.\d+)?)/(\d{1,6}))?\]")
"""The text of the bar that a Trainer draws in a notebook: steps done and in all, and epochs done and in all."""
STEPS = re.compile(r"Total (?:optimization )?steps\s*=\s*(\d[\d,]{0,12})", re.IGNORECASE)
EXAMPLES = re.compile(r"Num examples\s*=\s*(\d[\d,]{0,12})", re.IGNORECASE)
BATCH = re.compile(r"Total (?:train )?batch size(?: \([^)\n]{0,80}\))?\s*=\s*(\d[\d,]{0,8})", re.IGNORECASE)
"""What it prints before the first step, as Unsloth does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run was to be.

    Attributes:
        steps: In all; None: not known.
        per_epoch: Steps of one epoch; None: not known.
        reached: The last step that was made; None: not known.
    """

    steps: int | None
    per_epoch: float | None = None
    reached: int | None = None


def plans_in(text: str) -> list[Plan]:
    """Return the plans of the runs in a text, by their bars, or else the one that is printed in it.

    >>> plans_in("[40/60 01:02 < 00:30, 1.00 it/s, Epoch 2/3]")
    [Plan(steps=60, per_epoch=20.0, reached=40)]
    >>> plans_in("Num examples = 322 | Total steps = 60\\nTotal batch size (2 x 4 x 1) = 8")
    [Plan(steps=60, per_epoch=41, reached=None)]
    """
    printed = _printed(text)
    found = []
    for bar in BAR.finditer(text):
        # A bar may have been saved one update ahead of the last step.
        reached, steps = min(int(bar[1]), int(bar[2])), int(bar[2])
        found.append(replace(printed, steps=steps, reached=reached))
        if printed.per_epoch is None and bar[3]:
            found[-1] = replace(found[-1], per_epoch=_per_epoch(reached, steps, bar[3], int(bar[4])))
    return found or ([printed] if printed.steps else [])


def _per_epoch(reached: int, steps: int, done: str, epochs: int) -> float | None:
    """Steps of an epoch by a bar; None where a run that was given a maximum of steps may show it too: of such a run the
    epochs in all are rounded up."""
    if "." in done:
        return reached / float(done) if float(done) > 0 and reached else None
    if not epochs:
        return None
    whole = int(done) == epochs if reached == steps else int(reached * epochs / steps) == int(done) > 0
    # At the end of the last epoch the epochs done may be a little less than all, and are rounded down.
    almost = reached == steps and int(done) == epochs - 1 > 0 and steps % epochs == 0 and steps % 10 > 0
    return steps / epochs if whole or almost else None


def _printed(text: str) -> Plan:
    """What is printed, where it is printed once."""
    steps, examples, batch = (_once(pattern, text) for pattern in (STEPS, EXAMPLES, BATCH))
    return Plan(steps, math.ceil(examples / batch) if examples and batch else None)


def _once(pattern: re.Pattern[str], text: str) -> int | None:
    found = {int(one.replace(",", "")) for one in pattern.findall(text)}
    return found.pop() if len(found) == 1 else None
