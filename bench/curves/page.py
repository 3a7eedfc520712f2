"""docs/curves.md, made of the figures of the bench."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.curves.short_runs import page as short_runs
from bench.figures import ROOT

Row = dict[str, Any]

TOP = """# Curves

What the checks `curve-…` find, by `python -m bench.curves --write` (nothing is trained; some minutes), which writes
this page.
"""

REAL = """
## Real logs

trainer_state.json of public runs: six QLoRA runs with known causes, and nineteen from repositories, labelled by one
reader. What should be found, and why, is in `bench/curves/expected.py`. Repositories are divided by a hash of their
name: limits were set with half A in view; some limits are from earlier versions, which knew all of these logs.
"""

INJECTED = """
## Faults in the noise of real logs

A healthy log is split into its trend and its residuals. The trend is scaled, shifted and stretched to another number
of records, the residuals are moved round and made 0.8 to 2 times as large (up to 12 %), and the fault is put into it.
*Named*: by the check of that name, or by one of those that say the same. Sizes are drawn evenly from the range given.
Half A has the noise of {A} logs, half B that of {B}. One log of half B scatters by 20 %, four times as far as the
others, and is as many curves as each of them; *B, without it* has the same faults in the noise of the other two.
"""

UNDECIDED = """
**What noise hides.** A flat course is told from a slow fall only where the noise is small enough. With records that
scatter by 18 % and 150 of them, the fall of a straight line is known to 5 % (18 % times the root of 12 / 150), so that
no test can find most flat courses and leave falls of 5 % alone. Likewise stairs of 12 % over three epochs of 85 such
records differ from a straight fall by 2.9 standard errors in all: a test that errs once in a hundred finds 73 of 100.
"""

SIMULATED = """
## Simulated curves

Falls of 8 to 50 % from 1.2 to 5 nats; batches that scatter by 0.08 to 0.3 nats (of tiny batches: by 15 to 30 % of the
loss) with tails from normal to Student's t with 4 degrees; a model that wavers by up to 1.5 %; gradient norms up to
40 times the rest in the first steps. The courses at which curve-stalled warns fall by 0.2 to 1.4 % between the halves
of their last three quarters, those at which curve-plateau warns by 6 to 8 % in all.
"""

BOTTOM = """
**What a curve does not show.** A learning rate that is ten to thirty times too high under clipping falls smoothly and
ends higher, with less scatter than a good one. On stories260k (a plain loop, not part of the bench: 200 steps of 16
rows, AdamW, clipping 1.0, evaluations of 128 held-out rows and at 16 every five steps) the curve checks say nothing
up to 30 times the best learning rate; at 100 times the loss of the fixed batch rises by half in the first steps and
the weights grow 3.8 times (WARN), at 1,000 times it diverges (FAIL). For what lies between there is
curve-rate-beaten, which compares. A learning rate a thousand times too low still fell by 5.5 %, which is no plateau
either. Learning rates about the best, full and LoRA, batches of 2 and of 16, raised no alarm (17 runs from 1e-4 to
1e-2); 64 rows in place of 900 raised curve-overfit at both learning rates tried.

A training loss that is a sum over micro-batches cannot be told from labels that are wrong where there is no
validation loss. A staircase of drops under 7 % (13 % where an epoch has fewer than 16 records) is not named: healthy
logs have such drops.
"""


def write(figures: Row) -> None:
    """Write the page."""
    halves = figures["halves"]
    parts = [
        TOP,
        REAL,
        _table(["log", "half", "label", "found"], [_log(one) for one in figures["logs"]]),
        _summary(figures["logs"]),
        INJECTED.format(A="four", B="three"),
        _clean(halves),
        _faults(halves),
        "\n" + short_runs.section(figures["short_runs"]),
        SIMULATED,
        _table(["kind", "curves", "FAIL", "WARN", "by"], [_twin(one) for one in figures["clean"]]),
        _table(
            ["check", "fault", "curves", "named", "any finding"],
            [[one["check"], one["kind"], one["curves"], one["named"], one["any"]] for one in figures["faults"]],
        ),
        BOTTOM,
    ]
    (ROOT / "docs/curves.md").write_text("".join(parts))


def _log(one: Row) -> list[str]:
    found = ", ".join(f"{check[6:]} {verdict}" for check, verdict in one["findings"].items())
    return [one["log"].replace("__", " ").replace("_", " "), one["half"], one["label"].replace(";", "; "), found or "–"]


def _summary(logs: Sequence[Row]) -> str:
    lines = []
    for which in ("A", "B"):
        some = [one for one in logs if one["half"] == which]
        healthy = [one for one in some if one["label"].startswith("healthy")]
        alarms = sum(bool(one["besides"]) for one in healthy)
        named = sum(len(one["named"]) for one in some)
        every = named + sum(len(one["missed"]) for one in some)
        lines.append(
            f"Half {which}: {alarms} of {len(healthy)} healthy logs with a finding that is not expected; {named} of"
            f" {every} expected findings are there."
        )
    return "\n" + " ".join(lines) + "\n"


def _clean(halves: dict[str, Row]) -> str:
    rows = []
    for a, b in zip(halves["A"]["clean"], halves["B"]["clean"], strict=True):
        by = ", ".join({**a["checks"], **b["checks"]}) or "–"
        rows.append([a["kind"], a["curves"], f"{a['fail']}, {a['warn']}", f"{b['fail']}, {b['warn']}", by])
    return _table(["without a fault", "curves each", "A: FAIL, WARN", "B: FAIL, WARN", "by"], rows)


def _faults(halves: dict[str, Row]) -> str:
    pairs = zip(halves["A"]["faults"], halves["B"]["faults"], strict=True)
    rows = [[a["check"], a["kind"], a["curves"], a["named"], b["named"], b["quiet"]] for a, b in pairs]
    return _table(["check", "fault", "curves each", "A: named", "B: named", "B, without it"], rows) + UNDECIDED


def _twin(one: Row) -> list[object]:
    return [one["kind"], one["curves"], one["fail"], one["warn"], ", ".join(one["checks"]) or "–"]


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"
