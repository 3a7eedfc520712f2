"""Tell the splits of a folder by the names of its files and subfolders."""

from __future__ import annotations

import re
from pathlib import Path

from sanetune.config.origin import Origin, OriginKind
from sanetune.config.schema import Config, SourceSection

WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval", "evaluation"),
    "test": ("test", "testing"),
}
"""Split -> the words in names of files and folders that stand for it."""

_SPLIT = {word: split for split, words in WORDS.items() for word in words}


def split_of(name: str) -> str | None:
    """Return ``train``, ``validation`` or ``test`` by the name of a file or folder; None where it names no split, or
    two.

    >>> split_of("train-00000-of-00001.parquet"), split_of("my_dev.jsonl"), split_of("contest.csv")
    ('train', 'validation', None)
    """
    found = {_SPLIT[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _SPLIT}
    return found.pop() if len(found) == 1 else None


def splits_in(folder: Path) -> set[str]:
    """Return the splits that the files and subfolders of ``folder`` are named after; where there are none, those of
    its subfolder ``data``."""
    if not folder.is_dir():
        return set()
    inside = [child for child in folder.iterdir() if child.name[0] not in "._"]
    found = {split for child in inside if (split := split_of(child.name))}
    return found or splits_in(folder / "data")


def resolve_folder_splits(config: Config) -> None:
    """Validate on the validation files of a folder that is trained on, where ``data.validation`` is unset."""
    data = config.data
    for source in data.validation or ():
        if source.split is None:
            source.split = next((one for one in ("validation", "test") if one in _splits(source)), None)
    if data.validation is not None:
        return
    folders = [source for source in data.train if source.split is None and "validation" in _splits(source)]
    if folders:
        data.validation = [
            SourceSection(path=source.path, split="validation", fields=source.fields) for source in folders
        ]
        config.origins["data.validation"] = Origin(OriginKind.INFERRED, reason="validation files of the same folder")


def _splits(source: SourceSection) -> set[str]:
    """The splits in a source that is a folder."""
    try:
        return splits_in(Path(source.path))
    except OSError:
        return set()  # reading the source says why
