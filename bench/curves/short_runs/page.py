"""The section of docs/curves.md about short runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench.figures import ROOT

PAGE = ROOT / "docs/curves.md"
HEADING = "## Real short runs"
NEXT = "## Simulated curves"
TOP = """
Real trainings of two small models, kept in `bench/curves/short_runs/runs.json.gz`; `python -m bench.curves.short_runs`
makes them, in a plain loop with AdamW and clipping at 1. Half A is stories260k on three data sets, half B the embedded
demo model on three others, each adapted to conversations before. Healthy runs have 60 to 120 steps and differ in
learning rate, schedule (linear, cosine, constant, constant with a decay at the end), warm-up, epochs, evaluations (none
to twelve), interval and decimals of records, gradient norms, and whether rows come by length. A run whose last
evaluation is more than 5 % above its lowest has overfitted, whatever it was meant to be.

*Named*: by a check that says what the fault is, in the whole log or while it grew. *Live*: by the watch of a run, which
gets five records at a time. *Steps*: from the onset of the fault (without one: the first step) to that finding, the
median. Checks about the whole course (plateau, stalled, unmeasured, warm-up, sums) do not judge a growing curve.
"""

LIMITS = """What is called healthy is what was set: nobody has shown that a run of a hundred steps is not unfinished.
That a first loss is above what guessing costs is true of these runs: the models are small and the data is strange to
them. So is that the loss drops between epochs where 87 rows are seen again, whatever that does to other rows. With a
fresh optimizer at the full learning rate the validation loss of healthy runs rises by up to 15 % and comes back within
the run, so the watch waits (watch.md), and names fewer of the runs that overfit, and those later. Evaluations have
twelve rows, and without the losses of single rows nobody knows whether one that is 5 % higher is chance. A single bad
batch among losses that scatter by a third is below the noise that curve-spike asks for, and in 100 to 160 steps of such
losses a frozen model is hardly told from a slow one.
"""


def section(figures: Mapping[str, Any]) -> str:
    """The section, with its heading."""
    rows = [_fault(one) for one in figures["faults"]]
    columns = ["fault", "strength", "A: named", "B: named", "B: any finding", "B: live", "B: within 20", "B: steps"]
    healthy = "".join(_healthy(half, one) for half, one in figures["healthy"].items())
    faulty = " ".join(
        f"Half {half}: a finding in {one['caught']} of {one['runs']} faulty runs, the fault named in {one['named']}."
        for half, one in figures["halves"].items()
    )
    cost = f"Watching costs {figures['micros']:.0f} µs of CPU for each record, the median over the runs."
    counted = (
        f"{figures['runs']} runs. {figures['undecided']} are left out: they saw each row four times, and did not turn."
    )
    return f"{HEADING}\n{TOP}{_table(columns, rows)}\n{counted}\n{faulty}\n\n{healthy}\n{LIMITS}\n{cost}\n"


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
    return [one["fault"], strength, *counts, f"{b['soon']} of {b['runs']}", delay]


def _healthy(half: str, one: Mapping[str, Any]) -> str:
    begin = f"Healthy runs of half {half}: of {one['runs']}, {one['fail']} fail."
    whole = f"In the whole log {one['whole']} have a finding{_by(one['whole_by'])}"
    return f"{begin} {whole}, while it grew {one['live']}{_by(one['live_by'])}; the watch stops {one['stopped']}.\n"


def _by(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} {count}' for name, count in sorted(counts.items()))})" if counts else ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"
