"""Describe one origin of rows, and check that what is asked of it means something."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sanetune.data.sources.row import kind_of
from sanetune.errors import DataError, Place

ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True, slots=True)
class Source:
    """One origin of rows.

    Attributes:
        path: A file, a folder, a pattern with ``*``, or a Hub id ``owner/name``.
        weight: How often its rows are used (0.5: half of them; 2: all of them twice).
        split: Of a Hub data set, or of a folder whose files or subfolders are named after splits.
        subset: Of a Hub data set.
        revision: Of a Hub data set.
        limit: Use only so many rows.
        fields: What is in which of its columns, as in ``data.fields``; None: what holds for all sources.
    """

    path: str
    weight: float = 1.0
    split: str | None = None
    subset: str | None = None
    revision: str | None = None
    limit: int | None = None
    fields: Mapping[str, str] | None = None

    def check(self) -> None:
        """Raise DataError for a setting that means nothing, because one that is ignored seems to have worked."""
        place = Place(self.path)
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise DataError(f"weight is {self.weight}", "", "Give a number above 0, or take the source out.", place)
        if self.limit is not None and self.limit < 1:
            raise DataError(f"limit is {self.limit}", "", "Give a number from 1 up, or leave it out.", place)
        given = [name for name in ("subset", "revision") if getattr(self, name) is not None]
        if given and not is_hub_id(self.path):
            message = f"`{'` and `'.join(given)}` given for a local path"
            raise DataError(message, "They belong to data sets on the Hub.", "Leave them out.", place)


def is_hub_id(path: str, folder: str | Path = ".") -> bool:
    """Return whether ``path`` is to be looked up on the Hub: it reads ``owner/name``, and nothing under ``folder``
    could be meant by it.

    >>> is_hub_id("openai/gsm8k"), is_hub_id("rows.jsonl"), is_hub_id("data/rows.jsonl")
    (True, False, False)
    """
    if not ID.fullmatch(path) or kind_of(Path(path)):
        return False
    here = Path(folder, path)
    return not here.exists() and not here.parent.exists()
