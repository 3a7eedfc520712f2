"""Add replay rows to the training split, behind its own rows.

They are in batches like all others, and in nothing else: never held out, and no row of the task to any check of rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.data.truncation import leave_out
from sanetune.errors import DataError, Place

if TYPE_CHECKING:
    from sanetune.config.schema import SourceSection
    from sanetune.data.split_examples import SplitExamples

GENERAL = "general"
"""What ``data.replay.path`` may be besides a source: the rows of the package."""


def source_of(path: str) -> SourceSection:
    """Return the source that ``data.replay.path`` names."""
    from sanetune.config.schema import SourceSection

    return SourceSection(path=str(Path(__file__).with_name("general.jsonl")) if path == GENERAL else path)


def rows_for(share: float, own: int) -> int:
    """Return how many replay rows make up ``share`` of the training rows beside ``own`` rows of the task.

    >>> rows_for(0.1, 90), rows_for(0.5, 90), rows_for(0.1, 1)
    (10, 90, 1)
    """
    return max(1, round(own * share / (1 - share)))


def choose(replay: SplitExamples, others: dict[str, SplitExamples], share: float, limit: int) -> list[int]:
    """Return the numbers of the replay examples that make up ``share`` of the training rows, ascending.

    Fewer than there are, they are evenly spread; more, each comes several times. Left out are those of more than
    ``limit`` tokens, those without a token in the loss, and those whose prompt is among the validation rows.

    Args:
        replay: The examples of the source.
        others: The splits ``train`` and, where there is one, ``validation``.
        share: Of the training rows that are to be replay rows.
        limit: Tokens of a row, at most.

    Raises:
        DataError: No replay row is left.
    """
    leave_out(replay, limit, "drop")
    held_out = set(others["validation"].keys()) if "validation" in others else set()
    keys = replay.keys()
    usable = [number for number, key in zip(replay.used, keys, strict=True) if key not in held_out]
    if not usable:
        raise DataError(
            f"None of {len(keys) + len(replay.dropped)} replay rows can be used.",
            f"They have more than {limit:,} tokens, none in the loss, or the prompt of a validation row.",
            "Give other rows as data.replay, or raise train.max_length.",
            Place(replay.source.source.paths[0]),
        )
    wanted = rows_for(share, len(others["train"].used))
    times, rest = divmod(wanted, len(usable))
    spread = [usable[at * len(usable) // rest] for at in range(rest)] if rest else []
    return sorted(usable * times + spread)


def figures(replay: SplitExamples, chosen: list[int], own: int) -> dict[str, Any]:
    """Return what was mixed in: rows and tokens, how many of them are different rows, and the share of all rows.

    Args:
        replay: The examples of the source.
        chosen: The numbers of those that are used.
        own: Rows of the task.
    """
    return {
        "rows": len(chosen),
        "different": len(set(chosen)),
        "tokens": int(replay.lengths[chosen].sum()),
        "share": len(chosen) / (own + len(chosen)),
        "left_out": len(replay.dropped) + replay.source.refusals.count + replay.source.source.bad,
    }
