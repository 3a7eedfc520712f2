"""The section of docs/curves.md about short runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench.curves.short_runs.judging import WITHIN
from bench.figures import ROOT

PAGE = ROOT / "docs/curves.md"
HEADING = "## Real short runs"
NEXT = "## Simulated curves"
TOP = """
Real trainings of two small models, kept in `bench/curves/short_runs/runs.json.gz`; `python -m bench.curves.short_runs`
makes them, in a plain loop with AdamW and clipping at 1. Half A is stories260k on three data sets, half B the embedded
demo model on three others, each adapted to conversations before. Healthy runs have 60 to 120 steps and differ in
learning rate, schedule (linear, cosine, constant, constant with a decay at the end), warm-up, epochs, evaluations (none
to twelve), interval and decimals of records, gradient norms, and whether rows come by length.

What is true of a run that was to be healthy, was given few rows, or a high learning rate, is found out without any
check (`--ask truth`, `bench/curves/short_runs/truth.py`): it is made again, bit for bit, and measured on up to 128 rows
that it never sees, beside runs that differ in one thing. It is *worse on unseen rows* if its end is 5 % above its
lowest there, and two standard errors, rows compared in pairs; its learning rate was too high if the same run at a
middle one ends 5 % lower; it starts above guessing if the loss of its training rows does; it has memorised if it ends
a fifth better on its own rows than on unseen ones; more steps would pay if a run of a quarter more ends 5 % lower.

These definitions, and which findings they make true, were fixed with the findings of half A in view: half A's count
of false ones is no test of them. Half B is one for what was corrected by half A; that swings, few evaluations and falls
by the decay of the learning rate are no findings was corrected after half B's findings had been read too.

*Named*: by a check that says what the fault is, in the whole log or while it grew. *Live*: by the watch of a run, which
gets five records at a time. *Steps*: from the onset of the fault (without one: the first step) to that finding, the
median. Checks about the whole course (plateau, stalled, unmeasured, sums) do not judge a growing curve.

*Knowable after*: steps from the onset until anyone could know (`--ask knowable`, `knowable.py`), the median. What one
record shows (no number, a learning rate of zero or one that starts again, evaluations that are equal) is knowable with
it, a long warm-up at a quarter of the planned steps. A changed course is known from the step on at which the likelihood
ratio of the two courses, with the fault and without it, rows in the same order, tells them apart in nine of ten cases
at one false alarm in a hundred; a loss that is worse on unseen rows from the measurement on from which it stays so.
*Within 20 of it* leaves out the runs in which that is never, or not in the 40 steps that are compared.
"""

LIMITS = """Findings that are true of a healthy run: these models begin above guessing on data that is strange to them,
a log without evaluations is one, and rows that are seen again are known better, which is all that stairs say of a run
whose held-out loss nobody took. With a fresh optimizer at the full learning rate the validation loss of healthy runs
rises by up to 15 % and comes back within the run, so the watch waits (watch.md), and names fewer of the runs that
overfit, and those later. Evaluations in these logs have twelve rows, and without the losses of single rows nobody knows
whether one that is 5 % higher is chance.
"""

POWER = """A frozen model shows in evaluations, which are equal (curve-unchanged). Without them its losses could show at
most this much (`--ask oracle`): the power, at one false alarm in a hundred, of a test that knows the course of the run
with its fault and without it and has only to say which of the two it sees; the logarithms of losses are taken as
normal, with the scatter of the batches. No test of these losses does better, and a real one knows neither course.
"""


def section(figures: Mapping[str, Any]) -> str:
    """The section, with its heading."""
    rows = [_fault(one) for one in figures["faults"]]
    columns = ["fault", "strength", "A: named", "B: named", "B: any finding", "B: live", "B: within 20", "B: steps",
               "B: knowable after", "B: within 20 of it"]  # fmt: skip
    healthy = "".join(_healthy(half, one) for half, one in figures["healthy"].items())
    faulty = " ".join(
        f"Half {half}: a finding in {one['caught']} of {one['runs']} faulty runs, the fault named in {one['named']},"
        f" within {WITHIN} steps of its onset in {one['soon']}, and within {WITHIN} steps of being knowable in"
        f" {one['soon_after']} of {one['knowable']}."
        for half, one in figures["halves"].items()
    )
    cost = f"Watching costs {figures['micros']:.0f} µs of CPU for each record, the median over the runs."
    power_columns = ["half", "fault", "data", "steps", "best test", "within 20 steps of the onset", "named"]
    power = POWER + _table(power_columns, [_power(one) for one in figures["power"]])
    designed = figures["designed"]
    begin = (
        f"{figures['runs']} runs, beside {designed['runs']} whose learning rate starts again by design (equal cosine"
        f" cycles), of which {designed['found']} have a finding about that. {faulty}"
    )
    return f"{HEADING}\n{TOP}{_table(columns, rows)}\n{begin}\n\n{healthy}\n{LIMITS}\n{power}\n{cost}\n"


def write(figures: Mapping[str, Any]) -> None:
    """Write the section anew, and leave the rest of the page as it is."""
    text = PAGE.read_text()
    old = re.search(rf"{HEADING}\n.*?(?={NEXT})", text, re.DOTALL)
    begin, end = old.span() if old else (text.index(NEXT), text.index(NEXT))
    PAGE.write_text(text[:begin] + section(figures) + "\n" + text[end:])


def _fault(one: Mapping[str, Any]) -> list[object]:
    a, b = one["A"], one["B"]
    delay = "–" if b["delay"] is None else round(b["delay"])
    strength = f"{one['strength']:g}" if one["strength"] else "–"
    counts = (f"{some[key]} of {some['runs']}" for some, key in ((a, "named"), (b, "named"), (b, "any"), (b, "live")))
    after = "–" if b["knowable_after"] is None else round(b["knowable_after"])
    soon = f"{b['soon_after']} of {b['knowable']}"
    return [one["fault"], strength, *counts, f"{b['soon']} of {b['runs']}", delay, after, soon]


def _healthy(half: str, one: Mapping[str, Any]) -> str:
    begin = (
        f"Healthy runs of half {half}: {one['runs']}, of which {one['fail']} fail and the watch stops {one['stopped']}."
    )
    false = f"{one['false']} have a finding that is not true of them{_by(one['false_by'])}."
    whole = f"With any finding: in the whole log {one['whole']}{_by(one['whole_by'])}"
    return f"{begin} {false} {whole}; while it grew {one['live']}{_by(one['live_by'])}.\n"


def _power(one: Mapping[str, Any]) -> list[object]:
    powers = [f"{100 * one[key]:.0f} %" for key in ("power", "power_soon")]
    return [one["half"], one["fault"], one["data"], one["steps"], *powers, "yes" if one["named"] else "no"]


def _by(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} {count}' for name, count in sorted(counts.items()))})" if counts else ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"
