"""What a few samples say about a share: its bounds, and whether it fell between two measurements of the same
samples."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sanetune.curves.proportions import wilson

Z = 1.645
"""Standard deviations of a one-sided bound at 95 %."""

LIKELY = 0.05
"""Below this chance a difference is believed."""


def bounds(ones: int, total: int, z: float = Z) -> tuple[float, float]:
    """Lower and upper bound of a share of which ``ones`` of ``total`` samples are seen; each holds in 95 % of cases.

    Wilson's score interval (E. B. Wilson, JASA 22, 1927): it stays inside 0 to 1 and is honest for few samples.
    (0, 1) where there are none.
    """
    return wilson(ones, total, z)


def rarer(pairs: Iterable[tuple[bool, bool]]) -> bool:
    """Whether something became rarer between two measurements of each sample (before, after), more than chance would
    have it.

    The exact sign test of McNemar (Psychometrika 12, 1947): of the samples that changed, how many lost it.
    """
    changed = [before for before, after in pairs if before != after]
    became_rarer, total = sum(changed), len(changed)
    if not total:
        return False
    return bool(sum(math.comb(total, k) for k in range(became_rarer, total + 1)) / 2**total < LIKELY)
