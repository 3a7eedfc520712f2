"""Data as strangers have it: every file is read rightly, every fault is named, and nothing right is blamed.

``python -m bench.strangers.data`` prints a row per kind and every case that is not right; it ends with 1 where there
is one.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from itertools import islice
from pathlib import Path

from bench.figures import options, show
from bench.strangers.data import columns, content, further, hub, turns
from bench.strangers.data.case import Maker
from bench.strangers.data.judge import Outcome, judged

KINDS: dict[str, Maker] = {**columns.KINDS, **hub.KINDS, **further.KINDS, **turns.KINDS, **content.KINDS}
COLUMNS = ("kind", "cases", "right", "clean", "false alarms", "misread", "faults", "named")


def main() -> None:
    """Judge every case, and print what was found."""
    given = options(__doc__)
    with tempfile.TemporaryDirectory() as name:
        os.environ["SANETUNE_CACHE"] = f"{name}/cache"
        found = {kind: _kind(maker, Path(name), 3 if given.quick else None) for kind, maker in KINDS.items()}
    for kind, cases in found.items():
        for case, (_, outcome) in cases.items():
            for words in outcome.wrong:
                print(f"{kind}: {case}: {words}")
    figures = {
        kind: {case: {"spoke": one.spoke, "wrong": one.wrong} for case, (_, one) in cases.items()}
        for kind, cases in found.items()
    }
    rows = [_row(kind, list(cases.values())) for kind, cases in found.items()]
    total = ["all", *(sum(row[column] for row in rows) for column in range(1, len(COLUMNS)))]
    show("data of strangers", COLUMNS, [*rows, total], figures, given.json)
    sys.exit(1 if total[1] != total[2] else 0)


def _kind(maker: Maker, folder: Path, most: int | None) -> dict[str, tuple[bool, Outcome]]:
    found = {}
    for case in islice(maker(), most):
        found[case.name] = (bool(case.named or case.refused), judged(case, folder))
        print(json.dumps({"case": case.name, "wrong": found[case.name][1].wrong}), file=sys.stderr, flush=True)
    return found


def _row(kind: str, cases: list[tuple[bool, Outcome]]) -> list:
    clean = [one for faulty, one in cases if not faulty]
    faulty = [one for faulty, one in cases if faulty]
    alarms = sum(any(words.startswith("false alarm") for words in one.wrong) for one in clean)
    misread = sum(any(not words.startswith("false alarm") for words in one.wrong) for one in clean)
    right = sum(not one.wrong for _, one in cases)
    return [kind, len(cases), right, len(clean), alarms, misread, len(faulty), sum(not one.wrong for one in faulty)]


if __name__ == "__main__":
    main()
