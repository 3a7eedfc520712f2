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

UNSEEN = """
## Logs that nobody had seen

{logs} more public logs (`bench/curves/unseen`): a reader wrote down what is wrong in each, which checks have to say
so, and which others may speak, before any check was run. *At first sight*: by the rules of that day, before a change
was made because of the sample. Readers of D and E did not know the rules; those of G to P knew the descriptions of the
checks alone; that of F knew all, and F has short logs above all. Many logs of H are the beginnings of long ones. J has
some logs of one record. M is what people paste into threads and documents, mostly ten to thirty records of any
program; of its 99 texts 51 could be read at first, all since, and the figures of first sight are from then. N is the
tables of model cards and notebooks, which have evaluations and few training losses, and O is of both kinds. P is the
files that loops and frameworks leave in repositories, of a kind of their own each, a third of them runs from random
weights; of its 72 logs 24 could not be read at first, all since, and the figures of first sight are from then. *More*:
logs with a finding that the reader does not allow; of the two of H at first sight, in its warm-up both, the planned
steps had not been copied.

A *second reader* saw the numbers of all logs later, with the descriptions of the checks, and neither names, nor the
first reading, nor what the checks say. Of what the first expects the second expects or allows all but a warm-up of a
quarter; of what the second expects the first does not allow seven things: three high starts, at 8.1 to 8.6 nats, three
long warm-ups, and a best evaluation beside a divergence. Two readers agree no further than this: the second expects
{both} of the {first} things that the first expects, the first {both} of the {second} that the second expects; of I to
P, which both read before a check was run, {late_agreed} of {late_first} and {late_agreed} of {late_second}. *Both*:
what both expect. *Neither*: logs with a finding that neither allows.
"""
FIRST_SIGHT = {
    "D and E": "38 of 55, 0 of 72",
    "F": "15 of 23, 0 of 20",
    "G": "31 of 36, 1 of 30",
    "H": "24 of 40, 2 of 31",
    "I": "26 of 34, 0 of 40 (by the second reader 25 of 33, 0 of 41; both 24 of 30)",
    "J": "7 of 8, 0 of 15 (7 of 9, 0 of 15; 7 of 8)",
    "K": "14 of 23, 0 of 27 (14 of 21, 0 of 28; 14 of 21), five of the nine missed being stairs",
    "L": "18 of 22, 0 of 23 (23 of 31, 0 of 21; 18 of 22), two of the four missed being stairs",
    "M": "38 of 51, 1 of 57 (36 of 52, 1 of 55; 36 of 48)",
    "N": "23 of 35, 4 of 50 (28 of 44, 4 of 48; 23 of 35), of the twelve missed four being stairs and four warm-ups"
    " that only the trainer's arguments show, the healthy ones near zero or rounded to half precision",
    "O": "19 of 25, 0 of 37 (20 of 27, 0 of 36; 19 of 24)",
    "P": "9 of 14, 12 of 58 (10 of 17, 10 of 55; 9 of 14), of the twelve nine begin high, from random weights",
}
"""Things named, and healthy logs with more, of the samples that were read before their rules were changed."""
READ_TWICE = ("I", "J", "K", "L", "M", "N", "O", "P")
"""Samples that two readers had read before a check was run."""

INJECTED = """
## Faults in the noise of real logs

A healthy log is split into its trend and its residuals. The trend is scaled, shifted and stretched to another number
of records, the residuals are moved round and made 0.8 to 2 times as large (up to 12 %), and the fault is put into it.
*Named*: by the check of that name, or by one of those that say the same. Sizes are drawn evenly from the range given.
Half A has the noise of {A} logs, half B that of {B}. One log of half B scatters by 20 %, four times as far as the
others, and is as many curves as each of them; *B, without it* has the same faults in the noise of the other two.
"""

BOUND = """
**What noise hides.** The faults of three kinds, in the noise of each log by itself: *bound* is what the best possible
test finds of a hundred (`python -m bench.curves.bound`). It knows the density of that noise, the faulty course, and the
healthy one that is nearest, and has only to say which of the two it sees, with two false alarms in a hundred: the
likelihood ratio, by Neyman and Pearson's lemma. The nearest healthy course of a flat one falls in its last three
quarters as little as any healthy log of half A; of stairs it is the steady fall with the same mean in each epoch; of a
high start the same course from what guessing costs. Records are taken as independent. No check knows either course.
{stairs}
"""
STAIRS = """Of short stairs the best test finds {bound:.0f} of a hundred in half B, and {named:.0f} are named: 90 cannot
be reached there."""

SIMULATED = """
## Simulated curves

Falls of 8 to 50 % from 1.2 to 5 nats; batches that scatter by 0.08 to 0.3 nats (of tiny batches: by 15 to 30 % of the
loss) with tails from normal to Student's t with 4 degrees; a model that wavers by up to 1.5 %; gradient norms up to
40 times the rest in the first steps. The courses at which curve-stalled warns fall by 0.2 to 1.4 % between the halves
of their last three quarters, less than 6 % of what they learned before, and are flat in truth; those at which
curve-plateau warns fall by 6 to 8 % in all.
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
logs have such drops. Dropout that is left on in evaluations is not checked by a log: it raises all of them alike, as
harder rows do.
"""


def write(figures: Row) -> None:
    """Write the page."""
    halves = figures["halves"]
    parts = [
        TOP,
        REAL,
        _table(["log", "half", "label", "found"], [_log(one) for one in figures["logs"]]),
        _summary(figures["logs"]),
        unseen(figures["unseen"]),
        INJECTED.format(A="four", B="three"),
        _clean(halves),
        _faults(halves),
        _bound(figures["bound"]),
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


def unseen(rows: Sequence[Row]) -> str:
    """The section about logs of other repositories; ``rows``: figures of the samples."""
    words = [
        [one["sample"], one["logs"], *_by_one_reader(one["first"]), *_by_one_reader(one["second"]),
         f"{one['agreed']['named']} of {one['agreed']['things']}", one["nobody"]]
        for one in rows
    ]  # fmt: skip
    columns_each = ["named", "more where nothing has to be named"]
    columns = [
        "sample",
        "logs",
        *columns_each,
        *(f"second reader: {one}" for one in columns_each),
        "both: named",
        "neither",
    ]
    first = "; ".join(f"{sample} {figures}" for sample, figures in FIRST_SIGHT.items())
    *_, whole = rows
    late = [one for one in rows if one["sample"] in READ_TWICE]
    text = UNSEEN.format(
        logs=whole["logs"],
        **{name: whole[by]["things"] for name, by in (("both", "agreed"), ("first", "first"), ("second", "second"))},
        **{f"late_{by}": sum(one[by]["things"] for one in late) for by in ("agreed", "first", "second")},
    )
    return f"{text}{_table(columns, words)}\nAt first sight (things named, healthy logs with more): {first}.\n"


def _by_one_reader(one: Row) -> list[str]:
    return [f"{one['named']} of {one['things']}", f"{one['healthy_more']} of {one['healthy']}"]


def _clean(halves: dict[str, Row]) -> str:
    rows = []
    for a, b in zip(halves["A"]["clean"], halves["B"]["clean"], strict=True):
        by = ", ".join({**a["checks"], **b["checks"]}) or "–"
        rows.append([a["kind"], a["curves"], f"{a['fail']}, {a['warn']}", f"{b['fail']}, {b['warn']}", by])
    return _table(["without a fault", "curves each", "A: FAIL, WARN", "B: FAIL, WARN", "by"], rows)


def _faults(halves: dict[str, Row]) -> str:
    pairs = zip(halves["A"]["faults"], halves["B"]["faults"], strict=True)
    rows = [[a["check"], a["kind"], a["curves"], a["named"], b["named"], b["quiet"]] for a, b in pairs]
    return _table(["check", "fault", "curves each", "A: named", "B: named", "B, without it"], rows)


def _bound(rows: Sequence[Row]) -> str:
    words = [
        [one["check"], one["half"], one["log"].split("/")[-1].replace("__", " ").replace("_", " ")[:40],
         f"{100 * one['noise']:.1f} %", round(one["bound"]), round(one["named"])]
        for one in rows
    ]  # fmt: skip
    stairs = [one for one in rows if one["check"] == "curve-staircase" and one["half"] == "B"]
    means = {key: sum(one[key] for one in stairs) / len(stairs) for key in ("bound", "named")}
    top = BOUND.format(stairs=STAIRS.format(**means))
    return top + _table(["check", "half", "noise of the log", "its scatter", "bound", "named"], words)


def _twin(one: Row) -> list[object]:
    return [one["kind"], one["curves"], one["fail"], one["warn"], ", ".join(one["checks"]) or "–"]


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"
