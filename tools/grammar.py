"""Reads all prose with proselint: repeated words, archaisms, clichés, redundancy, malapropisms and the like.

python -m tools.grammar            prints FILE:LINE: message, and exits with 1 where there is something
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from tools import prose

CHECKS = frozenset(
    {
        *("archaism", "cliches", "hedging", "industrial_language", "lexical_illusions", "malapropisms", "misc"),
        *("mixed_metaphors", "mondegreens", "needless_variants", "nonwords", "oxymorons", "redundancy", "terms"),
    }
)
"""Groups of proselint's checks. Typography and dates are left out: they are about typesetting, and read code."""

ORDINARY = frozenset({"misc.phrasal_adjectives.ly", "misc.preferred_forms", "misc.scare_quotes"})
"""Checks that find names of faults (``nearly-empty-last-step``) and no sentences."""


def faults(file: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, message) for ``file``, in order; lines count from 1."""
    from proselint.tools import LintFile

    passages = sorted(passage for passage in prose.passages(file) if passage.text.strip())
    starts, text = [], ""
    for passage in passages:
        starts.append(len(text))
        text += passage.text + "\n\n.\n\n"
    if not text:
        return
    for result in LintFile(file.name, text).lint(_config()):
        found = result.check_result
        if found.check_path in ORDINARY:
            continue
        position = found.span[0] - 1  # proselint puts an empty line before the text
        passage = passages[bisect_right(starts, position) - 1]
        start = starts[bisect_right(starts, position) - 1]
        words = text[position : found.span[1] - 1]
        if not re.search(r"[\d_]|[A-Z]{3}", words):  # not in names of code: "Llama 3 38 %", "BANDS bands"
            line = passage.line + text.count("\n", start, position)
            yield line, f"{' '.join(words.split())!r}: {found.message} ({found.check_path})"


def _config() -> dict[str, object]:
    from proselint.config import DEFAULT

    return {**DEFAULT, "checks": {name: name in CHECKS for name in DEFAULT["checks"]}}


def main() -> int:
    """Print what is found in all files; return 1 where there is something."""
    from proselint.checks import __register__
    from proselint.registry import CheckRegistry

    CheckRegistry().register_many(__register__)
    count = 0
    for file in prose.files():
        for line, message in sorted(faults(file)):
            print(f"{file.relative_to(prose.HOME)}:{line}: {message}")
            count += 1
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
