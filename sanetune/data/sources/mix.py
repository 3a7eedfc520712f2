"""Mix the rows of several sources, by weight and up to a number."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sanetune import units
from sanetune.data.sources.read import count, read_rows
from sanetune.data.sources.row import OnBadRow, Row
from sanetune.data.sources.source import Source, is_hub_id
from sanetune.errors import DataError


@dataclass(slots=True)
class MixedSource:
    """What one source gives to a mixture.

    Attributes:
        path: As the configuration gives it.
        weight: How often each of its rows is to be used.
        rows: Its rows that were met.
        used: Uses of them, copies counted.
    """

    path: str
    weight: float
    rows: int = 0
    used: int = 0


def mixture_lines(mixture: Sequence[MixedSource]) -> list[str]:
    """Return in words what each source gives; nothing where one source is used as it is.

    >>> mixture_lines([MixedSource("data/a.jsonl", 0.5, 100, 50), MixedSource("b.jsonl", 3, 10, 30)])
    ['a.jsonl × 0.5: 50 uses of 100 rows, 62.5 % of all', 'b.jsonl × 3: 30 uses of 10 rows, 37.5 % of all']
    """
    if len(mixture) < 2 and all(one.weight == 1 for one in mixture):
        return []
    whole = max(1, sum(one.used for one in mixture))
    lines = []
    for one in mixture:
        name = one.path if is_hub_id(one.path) else Path(one.path).name
        uses = f"{units.many(one.used, 'use')} of {units.many(one.rows, 'row')}"
        lines.append(f"{name} × {one.weight:g}: {uses}, {units.share(one.used / whole)} of all")
    return lines


def mix(
    sources: Sequence[Source],
    *,
    max_examples: int | None = None,
    seed: int = 0,
    on_bad: OnBadRow | None = None,
    join_replies: Callable[[Source], bool] = lambda _: False,
    mixture: list[MixedSource] | None = None,
) -> Iterator[Row]:
    """Yield the rows of all sources, one source after the other, each used ``weight`` times.

    The rows that make up a fraction, and those left when there are too many, are drawn by ``seed``: exactly as many as
    asked for, evenly over all sources, the same ones each time. Of a Hub data set, whose length is unknown beforehand,
    the first ``max_examples`` rows represent all; when it has fewer, fewer come out.

    Args:
        sources: Where rows come from.
        max_examples: The largest number of rows in all.
        seed: Of the draws.
        on_bad: See :func:`sanetune.data.sources.files.read_file`.
        join_replies: Says of a source whether :func:`sanetune.data.sources.read.read_rows` joins its replies.
        mixture: Gets one entry for each source, which counts as rows are yielded.

    Raises:
        DataError: A source cannot be read, or a setting means nothing.
    """
    for source in sources:
        source.check()
    if max_examples is not None and max_examples < 1:
        raise DataError(f"max_examples is {max_examples}", "", "Leave it out, or give a number from 1 up.")
    sizes = [_size(source, max_examples, join_replies(source)) for source in sources]
    uses = [_uses(size, source.weight) for source, size in zip(sources, sizes, strict=True)]
    keep = None
    if max_examples is not None:
        keep = _Draw(max_examples, sum(use or 0 for use in uses), random.Random(f"{seed}/all"))
    counts = [MixedSource(source.path, source.weight) for source in sources]
    if mixture is not None:
        mixture[:] = counts
    for index, (source, size) in enumerate(zip(sources, sizes, strict=True)):
        rows = read_rows(source, on_bad, join_replies=join_replies(source))
        capped: Iterator[Row] = islice(rows, max_examples if is_hub_id(source.path) else None)
        if source.fields is not None:
            capped = (row._replace(fields=source.fields) for row in capped)
        for row in _repeated(_counted(capped, counts[index]), source.weight, size, random.Random(f"{seed}/{index}")):
            if keep is None or keep():
                counts[index].used += 1
                yield row
            if keep is not None and not keep.wanted:
                return


def _counted(rows: Iterator[Row], one: MixedSource) -> Iterator[Row]:
    for row in rows:
        one.rows += 1
        yield row


def _size(source: Source, max_examples: int | None, join_replies: bool) -> int | None:
    """How many rows will be read, where that must be known before drawing from them."""
    if is_hub_id(source.path):
        caps = [cap for cap in (source.limit, max_examples) if cap is not None]
        return min(caps) if caps else None
    return count(source, join_replies=join_replies) if max_examples is not None or source.weight % 1 else None


def _uses(size: int | None, weight: float) -> int | None:
    return None if size is None else int(weight) * size + round(weight % 1 * size)


def _repeated(rows: Iterator[Row], weight: float, size: int | None, chance: random.Random) -> Iterator[Row]:
    """Each row as many times as ``weight`` says, one copy after the other; of the fraction exactly its share."""
    times, rest = int(weight), weight % 1
    draw = _Draw(round(rest * size), size, chance) if size is not None else None
    for row in rows:
        for _ in range(times):
            yield row
        if rest and (draw() if draw else chance.random() < rest):
            yield row


class _Draw:
    """Says of each of ``total`` things in turn whether it is among the ``wanted`` ones (Knuth's selection sampling)."""

    def __init__(self, wanted: int, total: int, chance: random.Random) -> None:
        self.wanted, self.total, self.chance = min(wanted, total), total, chance

    def __call__(self) -> bool:
        taken = self.chance.random() * self.total < self.wanted
        self.total -= 1
        self.wanted -= taken
        return taken
