"""What a loss in a message is: a level, where it is no single record."""

from __future__ import annotations


def of_last(count: int) -> str:
    """What follows a loss that is the median of the last ``count`` of a log; nothing for a single one.

    >>> of_last(3), of_last(1)
    (' (median of the last 3 losses)', '')
    """
    return f" (median of the last {count:,} losses)" if count > 1 else ""
