"""The text of a log's file, however it was saved, and what a file is that is no log at all."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from sanetune.curves.logs.log import FORMATS, RATIONALE, checked_size
from sanetune.errors import DataError, Place

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and the encodings that they say; PowerShell's ``>`` writes UTF-16."""
POINTER = re.compile(r"version https://git-lfs\.github\.com/spec/v1\s+oid \S+\s+size (\d{1,15})")
PAGE = re.compile(r"<(!doctype html|html)\b", re.IGNORECASE)
HEAD = 512
"""Characters that show what a file is."""


def text_of(path: Path) -> str:
    """Return the text of a file of bounded size; bytes that are no text are replaced.

    Raises:
        DataError: It cannot be read, is too large, is empty, or stands for another file.
    """
    data = checked_size(path).read_bytes()
    text = decoded(data)
    _refuse_stand_ins(path, text[:HEAD].strip())
    if "\0" in text[:HEAD]:  # no text has it, in whatever encoding
        raise DataError("this is a binary file, not a log", RATIONALE, FORMATS, Place(path))
    return text


def decoded(data: bytes) -> str:
    """Return bytes as text, by their byte order mark; UTF-8 without one.

    >>> decoded("loss".encode("utf-16")), decoded(b"loss")
    ('loss', 'loss')
    """
    encoding = next((encoding for mark, encoding in MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors="replace")


def _refuse_stand_ins(path: Path, head: str) -> None:
    if not head:
        raise DataError("this file is empty", RATIONALE, FORMATS, Place(path))
    if found := POINTER.match(head):
        message = f"this is a pointer of Git LFS to a file of {int(found[1]):,} bytes, not the file"
        raise DataError(message, RATIONALE, f"Fetch it: `git lfs pull --include {path.name}`.", Place(path))
    if PAGE.match(head):
        remedy = "Download the file itself: on GitHub by the button Raw."
        raise DataError("this is a web page, not the file that it shows", RATIONALE, remedy, Place(path))
