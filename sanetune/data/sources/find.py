"""Find the files that a source names: one file, those of a folder, or those that fit a pattern."""

from __future__ import annotations

import glob
from pathlib import Path

from sanetune.data.sources.files import missing
from sanetune.data.sources.row import NO_ROWS, UNDERSTOOD, kind_of
from sanetune.data.sources.source import Source
from sanetune.errors import DataError, Place
from sanetune.text import did_you_mean, listing, quote

NOT_ROWS = {"dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json"}
"""Files that ``datasets.save_to_disk`` and model hubs write beside the data."""


def files_of(source: Source) -> list[Path]:
    """Return the local files of a source, sorted.

    Raises:
        DataError: There are none.
    """
    try:
        return _found(source)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise DataError(message, "", "Check the path and its rights.", Place(source.path)) from None


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
        fix = f"Data files are in {listing(holding)}: name one of them, or a pattern such as {path}/*/*.jsonl."
    else:
        there = f"There are: {listing(child.name for child in inside)}. " if inside else "It is empty. "
        fix = f"{there}Understood are {UNDERSTOOD}."
    raise DataError("the folder holds no data files", NO_ROWS, fix, Place(path))
