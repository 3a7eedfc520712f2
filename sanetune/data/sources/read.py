"""Read, count and fingerprint the rows of one source, local or on the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import xxhash

from sanetune.data.sources.files import count_rows, read_file
from sanetune.data.sources.find import files_of
from sanetune.data.sources.hub import read_hub
from sanetune.data.sources.reply_rows import is_reply, joined
from sanetune.data.sources.row import OnBadRow, Row, kind_of
from sanetune.data.sources.source import Source, is_hub_id
from sanetune.errors import DataError, Place


def read_rows(source: Source, on_bad: OnBadRow | None = None, *, join_replies: bool = False) -> Iterator[Row]:
    """Yield the rows of a source in file order, files by name; ``place.row`` counts within a file, from 0.

    Args:
        source: Where rows come from.
        on_bad: See :func:`sanetune.data.sources.files.read_file`.
        join_replies: Whether rows that are single messages of a tree become one row for each tree.
    """
    source.check()
    if is_hub_id(source.path):
        rows = read_hub(source)
    else:
        rows = (row for file in files_of(source) for row in read_file(file, on_bad))
    return islice(joined(rows) if join_replies else rows, source.limit)


def count(source: Source, *, join_replies: bool = False) -> int | None:
    """Return the number of rows that :func:`read_rows` yields; None for a Hub data set, whose length is not known
    beforehand."""
    source.check()
    if is_hub_id(source.path):
        return None
    if join_replies and (first := next(read_rows(source), None)) and is_reply(first.values):
        return sum(1 for _ in read_rows(source, lambda error: None, join_replies=True))
    rows = sum(count_rows(file) for file in files_of(source))
    return rows if source.limit is None else min(rows, source.limit)


def fingerprint(sources: Sequence[Source]) -> str:
    """Return a hash (xxh3, 32 hex digits) of the content of the sources and of how they are mixed; where files are does
    not count."""
    whole = xxhash.xxh3_128()
    for source in sources:
        source.check()
        whole.update(repr((float(source.weight), source.limit)).encode())
        if is_hub_id(source.path):
            whole.update(repr((source.path, source.revision, source.subset, source.split)).encode())
            continue
        for file in files_of(source):
            whole.update(repr((kind_of(file), file.stat().st_size)).encode())
            try:
                with file.open("rb") as stream:
                    while block := stream.read(2**22):
                        whole.update(block)
            except OSError as error:
                raise DataError(f"cannot be read: {error.strerror}", "", "Check its rights.", Place(file)) from None
    return whole.hexdigest()
