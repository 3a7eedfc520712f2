"""Find the files that a source names: one file, those of a folder, or those that fit a pattern."""

from __future__ import annotations

import glob
from pathlib import Path

from sanetune.config.split_names import split_of
from sanetune.data.sources.files import missing
from sanetune.data.sources.row import NO_ROWS, UNDERSTOOD, kind_of
from sanetune.data.sources.source import Source
from sanetune.errors import DataError, Place, require_utf8_name
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
        return _named(_folder(path, source.split))
    if glob.has_magic(source.path):
        found = sorted(Path(name) for name in glob.glob(source.path, recursive=True))
        data = [file for file in found if file.is_file() and kind_of(file) and file.name not in NOT_ROWS]
        if data:
            return _named(_trained(data))
        seen = f"; it fits {listing(file.name for file in found)}" if found else ""
        raise DataError(f"no data file fits this pattern{seen}", "", f"Understood are {UNDERSTOOD}.", Place(path))
    if "://" in source.path:
        raise DataError(
            "addresses are not read", "", "Download the file first, then give its path.", Place(source.path)
        )
    raise missing(path)


def _named(files: list[Path]) -> list[Path]:
    for file in files:
        require_utf8_name(file)
    return files


def left_out(source: Source) -> list[Path]:
    """Return the files of a folder or pattern that are of another split than the one that is read.

    Test data is never trained on, and validation files are read as such.
    """
    path = Path(source.path)
    if path.is_file() or not (path.is_dir() or glob.has_magic(source.path)):
        return []
    used = set(files_of(source))
    if path.is_dir():
        there = [file for file in path.rglob("*") if not any(part[0] in "._" for part in file.relative_to(path).parts)]
    else:
        there = [Path(name) for name in glob.glob(source.path, recursive=True)]
    return sorted(file for file in there if file.is_file() and _split_of(file) and _is_data(file) and file not in used)


def _is_data(file: Path) -> bool:
    return bool(kind_of(file)) and file.name not in NOT_ROWS


def _split_of(file: Path) -> str | None:
    """The split of a file, by its own name or that of its folder."""
    return split_of(file.name) or split_of(file.parent.name)


def _trained(files: list[Path]) -> list[Path]:
    """Those of ``files`` that are no validation or test data; all of them where nothing else is there."""
    kept = [file for file in files if _split_of(file) in (None, "train")]
    return kept or files


def _folder(path: Path, split: str | None) -> list[Path]:
    """The data files directly in a folder; with ``split`` those named after it, or in the subfolder of that name."""
    inside = sorted(child for child in path.iterdir() if child.name[0] not in "._")
    data = [file for file in inside if file.is_file() and _is_data(file)]
    below = {split_of(child.name): child for child in reversed(inside) if child.is_dir() and split_of(child.name)}
    if not data and not below and _holds_data(path / "data"):
        return _folder(path / "data", split)
    wanted = split_of(split) if split else "train"
    if wanted and (named := [file for file in data if split_of(file.name) == wanted]):
        return named if split else sorted([*named, *(file for file in data if split_of(file.name) is None)])
    if wanted in below:
        return _folder(below[wanted], None)
    if split:
        named = [file for file in data if file.name[: len(split)] == split and not file.name[len(split)].isalnum()]
        if named:
            return named
        if (path / split).is_dir():
            return _folder(path / split, None)
        names = [child.name for child in inside if child in data or child.is_dir()]
        fix = f"{did_you_mean(split, [Path(name).stem for name in names])}In the folder there are: {listing(names)}."
        raise DataError(f"no file or folder for `split: {quote(split)}`", "", fix, Place(path))
    plain = [file for file in data if split_of(file.name) is None or split_of(path.name)]
    if plain:
        return plain
    if data:
        there = listing(file.name for file in data)
        raise DataError(
            f"the folder holds no training data: {there}",
            "Rows to validate or to test on are not trained on.",
            f"To train on them all the same, name the file: {data[0]}",
            Place(path),
        )
    holding = [child.name for child in inside if _holds_data(child)]
    if holding:
        fix = f"Data files are in {listing(holding)}: name one of them, or a pattern such as {path}/*/*.jsonl."
    else:
        there = f"There are: {listing(child.name for child in inside)}. " if inside else "It is empty. "
        fix = f"{there}Understood are {UNDERSTOOD}."
    raise DataError("the folder holds no data files", NO_ROWS, fix, Place(path))


def _holds_data(folder: Path) -> bool:
    return folder.is_dir() and any(kind_of(file) for file in folder.iterdir())
