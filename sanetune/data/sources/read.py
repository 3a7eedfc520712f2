"""Where rows come from: files, folders, patterns and Hub data sets, and how several of them are mixed."""

from __future__ import annotations

import glob
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import xxhash

from sanetune.data.sources.files import UNDERSTOOD, Bad, Row, count_rows, kind_of, missing, read_file
from sanetune.data.sources.hub import is_hub_id, read_hub
from sanetune.errors import DataError, Place
from sanetune.text import did_you_mean, listing, quote

__all__ = ["Row", "Source", "count", "files", "fingerprint", "is_hub_id", "mix", "read_rows"]

# What `datasets.save_to_disk` and model hubs lay beside the data.
NOT_ROWS = {"dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json"}


@dataclass(frozen=True, slots=True)
class Source:
    """One origin of rows.

    ``path``: a file, a folder, a pattern with ``*``, or a Hub id ``owner/name``. ``weight``: how often its rows are
    used (0.5: half of them; 2: all of them twice). ``split``: of a Hub data set, or of a folder whose files or
    subfolders are named after splits. ``subset``, ``revision``: of a Hub data set. ``limit``: only so many rows.
    """

    path: str
    weight: float = 1.0
    split: str | None = None
    subset: str | None = None
    revision: str | None = None
    limit: int | None = None


def read_rows(source: Source, bad: Bad | None = None) -> Iterator[Row]:
    """Rows as a stream, in file order, files by name; ``place.row`` counts within a file. ``bad``: see
    :func:`sanetune.data.sources.files.read_file`."""
    _sound(source)
    if is_hub_id(source.path):
        return islice(read_hub(source), source.limit)
    rows = (row for file in files(source) for row in read_file(file, bad))
    return islice(rows, source.limit)


def mix(
    sources: Sequence[Source], *, max_examples: int | None = None, seed: int = 0, bad: Bad | None = None
) -> Iterator[Row]:
    """Rows of all sources, one source after the other, each used ``weight`` times, at most ``max_examples`` in all.

    The rows that make up a fraction, and those left when there are too many, are drawn by ``seed``: exactly as many as
    asked for, evenly over all sources, the same ones each time. Of a Hub data set, whose length is unknown beforehand,
    the first ``max_examples`` rows stand for all; when it has fewer, fewer come out.
    """
    for source in sources:
        _sound(source)
    if max_examples is not None and max_examples < 1:
        raise DataError(f"max_examples is {max_examples}", "", "Leave it out, or give a number from 1 up.")
    sizes = [_size(source, max_examples) for source in sources]
    uses = [_uses(size, source.weight) for source, size in zip(sources, sizes, strict=True)]
    keep = None
    if max_examples is not None:
        keep = _Draw(max_examples, sum(use or 0 for use in uses), random.Random(f"{seed}/all"))
    for index, (source, size) in enumerate(zip(sources, sizes, strict=True)):
        capped = islice(read_rows(source, bad), max_examples if is_hub_id(source.path) else None)
        for row in _repeated(capped, source.weight, size, random.Random(f"{seed}/{index}")):
            if keep is None or keep():
                yield row
            if keep is not None and not keep.wanted:
                return


def count(source: Source) -> int | None:
    """The number of rows :func:`read_rows` gives, or None for a Hub data set (its length is not known beforehand)."""
    _sound(source)
    if is_hub_id(source.path):
        return None
    rows = sum(count_rows(file) for file in files(source))
    return rows if source.limit is None else min(rows, source.limit)


def fingerprint(sources: Sequence[Source]) -> str:
    """A hash (xxh3, 32 hex digits) of what the sources hold and how they are mixed; where files lie does not count."""
    whole = xxhash.xxh3_128()
    for source in sources:
        _sound(source)
        whole.update(repr((float(source.weight), source.limit)).encode())
        if is_hub_id(source.path):
            whole.update(repr((source.path, source.revision, source.subset, source.split)).encode())
            continue
        for file in files(source):
            whole.update(repr((kind_of(file), file.stat().st_size)).encode())
            try:
                with file.open("rb") as stream:
                    while block := stream.read(2**22):
                        whole.update(block)
            except OSError as error:
                raise DataError(f"cannot be read: {error.strerror}", "", "Check its rights.", Place(file)) from None
    return whole.hexdigest()


def files(source: Source) -> list[Path]:
    """The local files of a source, sorted. DataError when there are none."""
    try:
        return _found(source)
    except OSError as error:
        what = f"cannot be looked into: {error.strerror or error}"
        raise DataError(what, "", "Check the path and its rights.", Place(source.path)) from None


def _found(source: Source) -> list[Path]:
    path = Path(source.path)
    if path.is_file():
        if source.split:
            raise DataError(
                f"`split: {quote(source.split)}` is given for one file", "", "Leave `split` out.", Place(path)
            )
        return [path]
    if path.is_dir():
        return _folder(path, source.split)
    if glob.has_magic(source.path):
        found = sorted(Path(name) for name in glob.glob(source.path, recursive=True))
        data = [file for file in found if file.is_file() and kind_of(file) and file.name not in NOT_ROWS]
        if data:
            return data
        seen = f"; it fits {listing(file.name for file in found)}" if found else ""
        raise DataError(f"no data file fits this pattern{seen}", "", f"Understood are {UNDERSTOOD}.", Place(path))
    if "://" in source.path:
        raise DataError(
            "addresses are not read", "", "Download the file first, then give its path.", Place(source.path)
        )
    raise missing(path)


def _folder(path: Path, split: str | None) -> list[Path]:
    """The data files directly in a folder; with ``split`` those named after it, or in the subfolder of that name."""
    inside = sorted(child for child in path.iterdir() if child.name[0] not in "._")
    data = [file for file in inside if file.is_file() and kind_of(file) and file.name not in NOT_ROWS]
    if split:
        named = [file for file in data if file.name[: len(split)] == split and not file.name[len(split)].isalnum()]
        if named:
            return named
        if (path / split).is_dir():
            return _folder(path / split, None)
        names = [child.name for child in inside if child in data or child.is_dir()]
        fix = f"{did_you_mean(split, [Path(name).stem for name in names])}In the folder there are: {listing(names)}."
        raise DataError(f"no file or folder for `split: {quote(split)}`", "", fix, Place(path))
    if data:
        return data
    holding = [child.name for child in inside if child.is_dir() and any(kind_of(file) for file in child.iterdir())]
    if holding:
        fix = f"Data files lie in {listing(holding)}: name one of them, or a pattern such as {path}/*/*.jsonl."
    else:
        there = f"There are: {listing(child.name for child in inside)}. " if inside else "It is empty. "
        fix = f"{there}Understood are {UNDERSTOOD}."
    raise DataError("the folder holds no data files", "There is nothing to learn from.", fix, Place(path))


def _sound(source: Source) -> None:
    """DataError for a setting that means nothing, because one that is ignored looks as if it worked."""
    if not (math.isfinite(source.weight) and source.weight > 0):
        raise DataError(
            f"weight is {source.weight}", "", "Give a number above 0, or take the source out.", Place(source.path)
        )
    if source.limit is not None and source.limit < 1:
        raise DataError(f"limit is {source.limit}", "", "Give a number from 1 up, or leave it out.", Place(source.path))
    given = [name for name in ("subset", "revision") if getattr(source, name) is not None]
    if given and not is_hub_id(source.path):
        what = f"`{'` and `'.join(given)}` given for a local path"
        raise DataError(what, "They belong to data sets on the Hub.", "Leave them out.", Place(source.path))


def _size(source: Source, max_examples: int | None) -> int | None:
    """How many rows will be read, where that must be known before drawing from them."""
    if is_hub_id(source.path):
        caps = [cap for cap in (source.limit, max_examples) if cap is not None]
        return min(caps) if caps else None
    return count(source) if max_examples is not None or source.weight % 1 else None


def _uses(size: int | None, weight: float) -> int | None:
    return None if size is None else int(weight) * size + round(weight % 1 * size)


def _repeated(rows: Iterator[Row], weight: float, size: int | None, chance: random.Random) -> Iterator[Row]:
    """Each row as many times as ``weight`` says, repeats side by side; of the fraction exactly its share."""
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
