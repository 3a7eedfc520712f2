"""Bad input at the gate: fuzzed rows and chat templates give findings or clear errors, in bounded time and memory.

Every case goes through all checks of the static level and through every form of the report, in a process of its own.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.figures import options, show
from bench.fuzz import rows, templates
from bench.fuzz.trial import Outcome, tried
from sanetune.data.template import limits

ROWS_PER_FILE = 50
SECONDS, MEGABYTES = 60.0, 1_500
"""What one case may take; the memory is that above a process that has only loaded its libraries."""


def main() -> None:
    args = options(__doc__)
    files, edited = (1, 10) if args.quick else (20, 150)
    if args.quick:
        limits.SECONDS = 1.0  # one rendering, else five
    found: dict[str, list[Outcome]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in rows.KINDS:
            found[f"rows: {kind}"] = [
                tried(f"{kind} {number}", Path(folder), *rows.file(kind, ROWS_PER_FILE, number), limit=2 * SECONDS)
                for number in range(files)
            ]
            _printed(kind, found[f"rows: {kind}"])
        sources = {**templates.KINDS, "edited": dict(enumerate(templates.mutated(edited, 0)))}
        for kind, cases in sources.items():
            chosen = list(cases.items())[:: 8 if args.quick and kind != "edited" else 1]
            found[f"templates: {kind}"] = [
                tried(f"{kind} {name}", Path(folder), template=source, inside=number % 4 == 3, limit=2 * SECONDS)
                for number, (name, source) in enumerate(chosen)
            ]
            _printed(kind, found[f"templates: {kind}"])
    _shown(found, args.json)
    if any(one.bad or one.seconds > SECONDS or one.megabytes > MEGABYTES for many in found.values() for one in many):
        sys.exit("some case crashed or went over the limits")


def _printed(kind: str, outcomes: list[Outcome]) -> None:
    for one in outcomes:
        if one.bad or one.seconds > SECONDS or one.megabytes > MEGABYTES:
            print(f"{one.name}: {one.seconds:.1f} s, {one.megabytes:,.0f} MB\n{one.trace}", file=sys.stderr, flush=True)


def _shown(found: dict[str, list[Outcome]], file: Path | None) -> None:
    table, figures = [], {}
    for kind, many in found.items():
        each = ROWS_PER_FILE if kind.startswith("rows") else 1
        one: dict[str, Any] = {
            "cases": len(many) * each,
            "files": len(many),
            "findings": sum(one.found for one in many),
            "errors": sum(one.error for one in many),
            "crashes": sum(one.bad for one in many),
            "seconds": max(one.seconds for one in many),
            "megabytes": max(one.megabytes for one in many),
        }
        figures[kind] = one
        cases = f"{one['cases']:,}" + (f" in {one['files']} files" if each > 1 else "")
        numbers = (one["findings"], one["errors"], one["crashes"])
        table.append((kind, cases, *numbers, f"{one['seconds']:.1f}", f"{one['megabytes']:,.0f}"))
    columns = ["kind", "cases", "findings", "clear errors", "crashes", "slowest, s", "peak, MB"]
    show("Bad input at the gate", columns, table, {"kinds": figures}, file)


if __name__ == "__main__":
    main()
