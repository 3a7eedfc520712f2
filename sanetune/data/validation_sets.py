"""The validation rows by the source that they come from, where there are several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanetune.data.prepared import SplitOrigin


def rows_by_source(origin: SplitOrigin, paths: Sequence[str]) -> dict[str, list[int]]:
    """Return the numbers of the rows of each source, by a short name; empty where fewer than two have any.

    Args:
        origin: Where the rows of a split come from; they are not packed.
        paths: The sources, as the configuration gives them.
    """
    if len(paths) < 2:
        return {}
    numbers = origin.table.column("conversation").take(origin.rows)
    files = origin.conversations.column("file").take(numbers).to_pylist()
    source = {file: next((path for path in paths if _belongs(file, path)), "") for file in set(files)}
    found: dict[str, list[int]] = {path: [] for path in paths}
    for row, file in enumerate(files):
        found.setdefault(source[file], []).append(row)
    found = {path: rows for path, rows in found.items() if rows}
    return dict(zip(names_of(list(found)), found.values(), strict=True)) if len(found) > 1 else {}


def names_of(paths: Sequence[str]) -> list[str]:
    """Return a short name for each of ``paths``, as trackers can show it.

    >>> names_of(["data/gsm8k.jsonl", "other/gsm8k.jsonl", "owner/code-data", "rows/*.parquet"])
    ['gsm8k', 'gsm8k_2', 'code-data', 'rows']
    """
    names: list[str] = []
    for path in paths:
        whole = [part for part in Path(path).parts if "*" not in part and "?" not in part] or ["rows"]
        name = re.sub(r"[^\w-]+", "_", Path(whole[-1]).stem) or "rows"
        count = sum(re.fullmatch(rf"{re.escape(name)}(_\d+)?", one) is not None for one in names)
        names.append(f"{name}_{count + 1}" if count else name)
    return names


def _belongs(file: str, path: str) -> bool:
    file = file.removeprefix("hf://datasets/")
    return file == path or file.startswith((f"{path}/", f"{path} ", f"{path}:")) or fnmatch(file, path)
