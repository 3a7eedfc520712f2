"""Say what a row of a data file is, which files hold rows, and what can be wrong with them.

Every reader in this folder builds on this module alone and on :mod:`sanetune.data.sources.text_file`; it imports none
of them.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sanetune.commands import command, init_with
from sanetune.errors import DataError, Place
from sanetune.text import did_you_mean, shortest_path

ROW_LIMIT = 64 * 2**20
"""Bytes that one row may take as text. A longer one is a missing line break or quote, not an example."""

TEXT_KINDS = {".json": "json", ".jsonl": "lines", ".ndjson": "lines", ".csv": "csv", ".tsv": "tsv"}
TABLE_KINDS = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow"}
COMPRESSIONS = (".gz", ".zst")
UNDERSTOOD = ".json, .jsonl, .ndjson, .csv, .tsv (each also as .gz or .zst), .parquet, .arrow"
NO_ROWS = "There is nothing to train on."


class Row(NamedTuple):
    """One row as read.

    Attributes:
        place: Its place in the user's files.
        values: Its columns: what JSON can hold, and the dates, bytes and decimals of Parquet and Arrow.
        fields: What is in which column, where its source says so itself.
    """

    place: Place
    values: dict[str, Any]
    fields: Mapping[str, str] | None = None


OnBadRow = Callable[[DataError], None]
"""Called with the error of a row that cannot be read; reading goes on with the next one."""


def without_bad_rows() -> str:
    """Return the ways to train without rows that cannot be read; to ``sanetune init`` the one that it takes."""
    if again := init_with("data.on_bad_row=skip"):
        return f"To train without them, each of them listed: `{again}`."
    return (
        "To train without them: data.on_bad_row: skip, which lists them, or a copy of the data without them: "
        f"`{command('check', '--write-clean', 'DIR')}`."
    )


def kind_of(path: Path) -> str | None:
    """Return ``json``, ``lines``, ``csv``, ``tsv``, ``parquet`` or ``arrow`` by a file's name; None for any other file.

    >>> kind_of(Path("rows.jsonl.gz")), kind_of(Path("rows.parquet")), kind_of(Path("rows.xlsx"))
    ('lines', 'parquet', None)
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        return TEXT_KINDS.get(suffixes[-2]) if len(suffixes) > 1 else None
    last = suffixes[-1] if suffixes else ""
    return TEXT_KINDS.get(last) or TABLE_KINDS.get(last)


def pasted(path: Path) -> str:
    """Return a path for a command that can be pasted: as short as it can be typed here, quoted where it has to be.

    >>> pasted(Path("my data") / "rows.json")
    "'my data/rows.json'"
    """
    return shlex.quote(shortest_path(path))


def not_understood(path: Path) -> DataError:
    """Return the error for a file of a kind that is not read, with the kinds that are."""
    guess = did_you_mean(path.suffix, [*TEXT_KINDS, *TABLE_KINDS]) if path.suffix else ""
    return DataError(
        f"files ending in {path.suffix or 'no suffix'!r} are not understood",
        "",
        f"{guess}Understood are {UNDERSTOOD}.",
        Place(path),
    )


def not_utf8(path: Path, error: UnicodeDecodeError, offset: int, line: int) -> DataError:
    """Return the error for bytes that are not UTF-8; ``offset`` of the first bad byte counts from 0, ``line`` from
    1."""
    name, code = _likely_encoding(path, bytes(error.object))
    seems = f"it may be {name}" if name else "it may be Latin-1 or Windows-1252"
    return DataError(
        f"byte 0x{error.object[error.start]:02x} at offset {offset:,} is not UTF-8; {seems}",
        "Data files are read as UTF-8; read as anything else, letters would silently become other letters.",
        f"Convert the file, if that is right: iconv -f {code or 'WINDOWS-1252'} -t UTF-8 {pasted(path)} > utf8-file",
        Place(path, line=line),
    )


ENCODINGS = {
    "gb18030": ("GBK (GB18030)", "GB18030"),
    "gbk": ("GBK (GB18030)", "GB18030"),
    "gb2312": ("GBK (GB18030)", "GB18030"),
    "big5": ("Big5", "BIG5"),
    "big5hkscs": ("Big5", "BIG5-HKSCS"),
    "cp950": ("Big5", "BIG5"),
    "cp932": ("Shift-JIS (CP932)", "CP932"),
    "shift_jis": ("Shift-JIS (CP932)", "CP932"),
    "shift_jis_2004": ("Shift-JIS (CP932)", "CP932"),
    "euc_jp": ("EUC-JP", "EUC-JP"),
    "euc_jis_2004": ("EUC-JP", "EUC-JP"),
    "cp949": ("EUC-KR (CP949)", "CP949"),
    "euc_kr": ("EUC-KR (CP949)", "CP949"),
    "johab": ("Johab", "JOHAB"),
    "cp1251": ("Windows-1251 (Cyrillic)", "WINDOWS-1251"),
    "koi8_r": ("KOI8-R", "KOI8-R"),
}
"""Encoding as charset_normalizer names it -> its name for people, and for iconv. Latin ones are told apart badly."""
SAMPLE = 65_536
"""Bytes of a file from which its encoding is guessed."""


def _likely_encoding(path: Path, line: bytes) -> tuple[str, str]:
    """Name of the encoding that a file seems to have, and what iconv calls it; empty where it is none of ours."""
    from charset_normalizer import from_bytes

    sample = line
    if path.suffix.lower() not in (".gz", ".zst"):
        with contextlib.suppress(OSError), path.open("rb") as stream:
            sample = stream.read(SAMPLE) if len(line) < SAMPLE else line[:SAMPLE]
    best = from_bytes(sample).best()
    return ENCODINGS.get(best.encoding, ("", "")) if best is not None else ("", "")


def too_long(path: Path, line: int, unit: str = "row") -> DataError:
    """Return the error for a row, or a ``unit``, past :data:`ROW_LIMIT` that begins on ``line``."""
    return DataError(
        f"the {unit} that begins here is longer than {ROW_LIMIT // 2**20} MB",
        "No model learns from a row of that length; as a rule a line break or a closing quote is missing.",
        "Check this line. JSON Lines wants one object per line.",
        Place(path, line=line),
    )


def broken(path: Path, problems: list[tuple[int, int, str]], count: int, total: int, units: str) -> DataError:
    """Return the error for broken rows among good ones.

    Args:
        path: The file.
        problems: Line, row and words for the first few broken rows.
        count: How many rows are broken.
        total: How many rows there are.
        units: ``rows`` or ``lines``.
    """
    more = f"\n  … and {count - len(problems):,} more" if count > len(problems) else ""
    shown = "\n".join(f"  line {line}: {words}" for line, _, words in problems)
    remedy = f"Correct or delete these lines. {without_bad_rows()}"
    if count == total:  # without them there would be nothing
        remedy = f"Correct these lines: none of the file's {total:,} is left without them."
    return DataError(
        f"{count:,} of {total:,} {units} cannot be read:\n{shown}{more}",
        "A row that is skipped would be missing from the training data without anyone noticing.",
        remedy,
        Place(path, line=problems[0][0], row=problems[0][1]),
    )


def no_rows(path: Path) -> DataError:
    """Return the error for a file that is sound but has no row."""
    return DataError("the file has no rows", NO_ROWS, "Name another file.", Place(path))
