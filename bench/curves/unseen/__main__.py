"""What the curve checks say about logs of repositories that no limit was set on, beside what a reader saw in them.

``logs.jsonl`` has their numbers, copied from the ``trainer_state.json`` of public repositories (the records of a part
where ``part`` says so), what a reader wrote down before any check was run (``read``), the checks that have to speak
(``expected``) and those that may (``allowed``). Rules were corrected with sample A in view, then with B, then with C:
each was unseen until then. D and E were collected afterwards, by somebody who did not know the rules, and have
changed some of them since. F was read by somebody who knew them, before any check was run, and G by somebody who
knew the descriptions of the checks alone, and so was H; all three have changed rules since. Nothing is trained; some
seconds of CPU.

``python -m bench.curves.unseen [--json F]``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.curves.judging import findings
from bench.figures import options, show
from sanetune.curves.logs.log import Log
from sanetune.curves.series import Curve

LOGS = Path(__file__).with_name("logs.jsonl")
SAMPLES = ("A", "B", "C", "D", "E", "F", "G", "H")


def read() -> list[dict[str, Any]]:
    """The logs with what a reader saw in them."""
    return [json.loads(line) for line in LOGS.read_text(encoding="utf-8").splitlines()]


def curve_of(log: dict[str, Any]) -> Curve:
    """The curve of a log, read as its trainer_state.json is."""
    rows = [dict(zip(log["names"], row, strict=True)) for row in log["rows"]]
    entries = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return Log.of(LOGS, log["repository"], entries, total_steps=log["max_steps"]).curve()


def judged(log: dict[str, Any]) -> dict[str, Any]:
    """One row of the table: what is expected of a log, what was found, and what is wrong with it."""
    found = {one.check.removeprefix("curve-"): one.verdict.value for one in findings(curve_of(log))}
    missed = set(log["expected"]) - set(found)
    extra = set(found) - set(log["expected"]) - set(log["allowed"])
    extra |= {name for name, verdict in found.items() if not log["expected"] and verdict == "fail"}
    kept = {name: log[name] for name in ("repository", "sample", "read", "expected")}
    return {**kept, "found": found, "missed": sorted(missed), "extra": sorted(extra)}


def main() -> None:
    args = options(__doc__)
    rows = [judged(log) for log in read()]
    words = [
        [one["sample"], one["repository"][:44], ", ".join(one["expected"]) or "–", _words(one["found"]), _wrong(one)]
        for one in rows
    ]
    show("Unseen logs", ["sample", "repository", "has to be named", "found", "wrong"], words, {"logs": rows}, args.json)
    for one in figures(rows):
        print(
            f"Sample {one['sample']}: {one['named']} of {one['things']} things named in {one['faulty']} logs;"
            f" {one['more']} of all {one['logs']} logs, and {one['healthy_more']} of {one['healthy']} in which nothing"
            " has to be named, have more than the reader allows."
        )


def figures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The figures of each sample."""
    found = []
    for sample in SAMPLES:
        some = [one for one in rows if one["sample"] == sample]
        healthy = [one for one in some if not one["expected"]]
        things, missed = (sum(len(one[name]) for one in some) for name in ("expected", "missed"))
        found.append(
            {"sample": sample, "logs": len(some), "faulty": len(some) - len(healthy), "things": things,
             "named": things - missed, "more": sum(bool(one["extra"]) for one in some), "healthy": len(healthy),
             "healthy_more": sum(bool(one["extra"]) for one in healthy)}
        )  # fmt: skip
    return found


def _words(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {verdict}" for name, verdict in found.items()) or "–"


def _wrong(row: dict[str, Any]) -> str:
    return ", ".join([*(f"missed {name}" for name in row["missed"]), *(f"not {name}" for name in row["extra"])])


if __name__ == "__main__":
    main()
