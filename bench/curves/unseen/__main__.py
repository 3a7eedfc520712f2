"""What the curve checks say about public logs that no limit was set on, beside what two readers saw in them.

``logs.jsonl`` has their numbers, copied from the ``trainer_state.json`` of public repositories (the records of a part
where ``part`` says so), from what people pasted into threads and documents (M), and from tables of model cards and
notebooks (N and O, with the trainer's arguments), from files that loops keep (P; ``from_scratch`` where a repository's
name says so), what a reader wrote down before any check was run (``read``), the
checks that have to speak (``expected``) and those that may (``allowed``). Rules were corrected with sample A in view,
then with B, then with C: each was unseen until then. D and E were collected afterwards, by somebody who did not know
the rules, and have changed some of them since. F was read by somebody who knew them, before any check was run, and G by
somebody who knew the descriptions of the checks alone, and so were H to P; all of them have changed rules since.

A second reader (``second``) saw the numbers of all logs anew, with the descriptions of the checks, and neither the
first reading nor what the checks say; those of I to P before a check was run. Nothing is trained; some seconds of CPU.

``python -m bench.curves.unseen [--json F]``
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.curves.judging import findings
from bench.figures import options, show
from sanetune.curves.logs.log import Log
from sanetune.curves.series import Curve

LOGS = Path(__file__).with_name("logs.jsonl")
SAMPLES = ("A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P")
ALL = "all"


def read() -> list[dict[str, Any]]:
    """The logs with what a reader saw in them."""
    return [json.loads(line) for line in LOGS.read_text(encoding="utf-8").splitlines()]


def curve_of(log: dict[str, Any]) -> Curve:
    """The curve of a log, read as its trainer_state.json is."""
    rows = [dict(zip(log["names"], row, strict=True)) for row in log["rows"]]
    entries = [{name: value for name, value in row.items() if value is not None} for row in rows]
    read = Log.of(LOGS, log["repository"], entries, total_steps=log["max_steps"])
    return replace(
        read,
        arguments=log.get("arguments", {}),
        sampled=log.get("sampled", False),
        from_scratch=log.get("from_scratch", False),
    ).curve()


def judged(log: dict[str, Any]) -> dict[str, Any]:
    """One row of the table: what is expected of a log, what was found, and what is wrong with it.

    ``missed`` and ``extra`` are by the first reader, those of ``second`` by the second. ``agreed`` are the checks that
    both expect, ``nobody`` the findings that neither allows.
    """
    found = {one.check.removeprefix("curve-"): one.verdict.value for one in findings(curve_of(log))}
    kept = {name: log[name] for name in ("repository", "sample", "read", "expected")}
    first, second = _by(log, found), _by(log["second"], found)
    agreed = sorted(set(log["expected"]) & set(log["second"]["expected"]))
    nobody = sorted(set(first["extra"]) & set(second["extra"]))
    return {**kept, "found": found, **first, "second": second, "agreed": agreed, "nobody": nobody}


def _by(reader: dict[str, Any], found: dict[str, str]) -> dict[str, Any]:
    """What is wrong with what was found, by one reader."""
    expected, allowed = set(reader["expected"]), set(reader["allowed"])
    extra = set(found) - expected - allowed
    extra |= {name for name, verdict in found.items() if not expected and verdict == "fail"}
    return {"expected": sorted(expected), "missed": sorted(expected - set(found)), "extra": sorted(extra)}


def main() -> None:
    args = options(__doc__)
    rows = [judged(log) for log in read()]
    words = [
        [one["sample"], one["repository"][:44], ", ".join(one["expected"]) or "–", _words(one["found"]), _wrong(one)]
        for one in rows
    ]
    show("Unseen logs", ["sample", "repository", "has to be named", "found", "wrong"], words, {"logs": rows}, args.json)
    for one in figures(rows):
        first, second, agreed = one["first"], one["second"], one["agreed"]
        print(
            f"Sample {one['sample']}, {one['logs']} logs: by the first reader {_counts(first)}; by the second"
            f" {_counts(second)}; {agreed['named']} of {agreed['things']} things named that both see, and"
            f" {one['nobody']} logs with a finding that neither allows."
        )


def figures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The figures of each sample, and of all."""
    found = []
    for sample in (*SAMPLES, ALL):
        some = [one for one in rows if sample in (ALL, one["sample"])]
        agreed = [name in one["found"] for one in some for name in one["agreed"]]
        found.append(
            {
                "sample": sample,
                "logs": len(some),
                "first": _figures(some),
                "second": _figures([one["second"] for one in some]),
                "agreed": {"things": len(agreed), "named": sum(agreed)},
                "nobody": sum(bool(one["nobody"]) for one in some),
            }
        )
    return found


def _figures(some: list[dict[str, Any]]) -> dict[str, int]:
    """What one reader has of some logs."""
    healthy = [one for one in some if not one["expected"]]
    things, missed = (sum(len(one[name]) for one in some) for name in ("expected", "missed"))
    more, healthy_more = (sum(bool(one["extra"]) for one in part) for part in (some, healthy))
    return {
        "things": things,
        "named": things - missed,
        "more": more,
        "healthy": len(healthy),
        "healthy_more": healthy_more,
    }


def _counts(one: dict[str, int]) -> str:
    return (
        f"{one['named']} of {one['things']} things named, {one['more']} with more than it allows,"
        f" {one['healthy_more']} of {one['healthy']} of those in which nothing has to be named"
    )


def _words(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {verdict}" for name, verdict in found.items()) or "–"


def _wrong(row: dict[str, Any]) -> str:
    return ", ".join([*(f"missed {name}" for name in row["missed"]), *(f"not {name}" for name in row["extra"])])


if __name__ == "__main__":
    main()
