"""Decide how long a row may be, and which rows are dropped or truncated for it.

Every row that is not trained on whole is written down as an :class:`IncompleteRow`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.errors import DataError

if TYPE_CHECKING:
    from sanetune.data.split_examples import SplitExamples

UNSET_LIMIT = 4096
"""Tokens that an unset ``max_length`` never passes: memory grows with it, and few recipes train on more."""

UNSET_PACK = 1024
"""Tokens of a pack if ``max_length`` is unset and the rows are shorter (TRL's own default length)."""

UNLABELLED = "without a token in the loss"
UNLABELLED_BEFORE_LIMIT = "without a token in the loss before max_length"
TOO_LONG = "longer than max_length"
TRUNCATED = "truncated at max_length"


@dataclass(frozen=True, slots=True)
class IncompleteRow:
    """A row that is dropped or truncated.

    Attributes:
        split: ``train`` or ``validation``.
        example: Its number among the examples of the file, before anything is dropped.
        file: The file it was read from.
        line: Its line in that file, from 1; None where the file has no lines.
        row: Its row in that file, from 0.
        reason: Why, in words.
        tokens: How many tokens it has.
        tokens_dropped: How many of them are not trained on; all of them if the row is dropped.
    """

    split: str
    example: int
    file: str | None
    line: int | None
    row: int | None
    reason: str
    tokens: int
    tokens_dropped: int

    def to_json(self) -> dict[str, Any]:
        """Return its fields as JSON can hold them."""
        return asdict(self)


def resolve_max_length(
    given: int | None, context: int | None, packing: bool, longest: Sequence[int]
) -> tuple[int, str]:
    """Return the length in tokens from which rows are too long, and why it is that.

    >>> resolve_max_length(4096, 2048, False, [900])
    (2048, "max_length 4,096 is more than the model's context, 2,048 tokens: the context is used")
    >>> resolve_max_length(None, None, True, [900])
    (1024, 'unset: room for several rows in a pack')

    Args:
        given: ``train.max_length``, if it is set.
        context: Tokens that the model can attend to, if it is known.
        packing: Whether rows are packed.
        longest: Tokens of the longest row of each split.
    """
    if given is not None:
        if context and given > context:
            reason = f"max_length {given:,} is more than the model's context, {context:,} tokens: the context is used"
            return context, reason
        return given, "as given"
    rows = max(longest)
    candidates = {"the longest row": rows, "the limit for an unset max_length": UNSET_LIMIT}
    if packing:
        candidates["the longest row"] = max(rows, UNSET_PACK)
    if context:
        candidates["the model's context"] = context
    name = min(candidates, key=lambda name: candidates[name])
    if packing and name == "the longest row" and rows < UNSET_PACK:
        name = "room for several rows in a pack"
    return min(candidates.values()), f"unset: {name}"


def leave_out(split: SplitExamples, limit: int, when_too_long: str) -> None:
    """Drop or truncate the rows of ``split`` that cannot be trained on whole, and write them down in it.

    Args:
        split: Its rows in use, their lengths and their tokens in the loss become those that are left.
        limit: Tokens from which a row is too long.
        when_too_long: ``drop``, ``cut`` (truncate) or ``error``, as ``data.overlong`` says.

    Raises:
        DataError: A row is too long, and ``when_too_long`` is ``error``.
    """
    too_long = [index for index in split.used if split.lengths[index] > limit]
    if too_long and when_too_long == "error":
        raise DataError(
            f"{units.many(len(too_long), 'row is', 'rows are')} longer than max_length ({limit:,} tokens); "
            f"the first has {split.lengths[too_long[0]]:,}.",
            "`data.overlong: error` asks to stop here.",
            "Raise train.max_length, shorten the rows, or set `data.overlong` to `drop` or `cut`.",
            split.place(too_long[0]),
        )
    gone = set()
    for index in split.used:
        length = int(split.lengths[index])
        if not split.loss_tokens[index]:
            reason = UNLABELLED
        elif length <= limit:
            continue
        elif when_too_long == "drop":
            reason = TOO_LONG
        elif left := split.loss_tokens_within(index, limit):
            split.truncated.append(_incomplete(split, index, TRUNCATED, length - limit))
            split.lengths[index], split.loss_tokens[index] = limit, left
            continue
        else:
            reason = UNLABELLED_BEFORE_LIMIT
        split.dropped.append(_incomplete(split, index, reason, length))
        gone.add(index)
    split.used = [index for index in split.used if index not in gone]


def nothing_left(split: SplitExamples, limit: int) -> DataError:
    """Return the error for a split of which no row is left within ``limit`` tokens."""
    rows, place = len(split.lengths), split.place(0) if len(split.lengths) else None
    shortest = int(split.lengths.min()) if rows else 0
    if shortest > limit:
        return DataError(
            f"max_length is {limit:,} tokens and the shortest of {units.many(rows, 'row')} has {shortest:,}: "
            "no row is left.",
            "Rows that do not fit are dropped whole (`data.overlong: drop`), so that no answer loses its end.",
            f"Raise train.max_length (the longest row has {int(split.lengths.max()):,}), or truncate: "
            "`data.overlong: cut`.",
            place,
            {"train.max_length": int(split.lengths.max())},
        )
    counts = ", ".join(f"{figures['rows']:,} {reason}" for reason, figures in by_reason(split.dropped).items())
    return DataError(
        f"No row is left to train on ({counts or 'the source has no rows'}).",
        "Only answers are in the loss, and rows without any would teach nothing.",
        "Each conversation needs at least one assistant message with text; `sanetune data` shows the rows.",
        place,
    )


def by_reason(rows: Sequence[IncompleteRow]) -> dict[str, dict[str, int]]:
    """Return how many rows, and how many of their tokens, are not trained on, for each reason."""
    figures: dict[str, dict[str, int]] = {}
    for row in rows:
        one = figures.setdefault(row.reason, {"rows": 0, "tokens": 0})
        one["rows"] += 1
        one["tokens"] += row.tokens_dropped
    return figures


def _incomplete(split: SplitExamples, index: int, reason: str, tokens_dropped: int) -> IncompleteRow:
    place, tokens = split.place(index), int(split.lengths[index])
    file = None if place.file is None else str(place.file)
    return IncompleteRow(split.name, index, file, place.line, place.row, reason, tokens, tokens_dropped)
