"""What a loss in a message is: a level, where it is no single record."""

from __future__ import annotations


def of_first(count: int) -> str:
    """What follows a loss that is the median of the first ``count`` of a log; nothing for a single one.

    >>> of_first(3), of_first(1)
    (' (median of the first 3 losses)', '')
    """
    return f" (median of the first {count:,} losses)" if count > 1 else ""


def of_others(count: int) -> str:
    """What follows a loss that is the median of ``count`` around it; nothing for a single one.

    >>> of_others(5), of_others(1)
    (' (median of the 5 losses around it)', '')
    """
    return f" (median of the {count:,} losses around it)" if count > 1 else ""


def of_last(count: int) -> str:
    """What follows a loss that is the median of the last ``count`` of a log; nothing for a single one.

    >>> of_last(3), of_last(1)
    (' (median of the last 3 losses)', '')
    """
    return f" (median of the last {count:,} losses)" if count > 1 else ""
