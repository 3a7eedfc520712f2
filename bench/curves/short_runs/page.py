"""The section of docs/curves.md about short runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench.curves.short_runs.cases import PARTS
from bench.curves.short_runs.judging import REPORTED, WITHIN
from bench.figures import ROOT

PAGE = ROOT / "docs/curves.md"
HEADING = "## Real short runs"
NEXT = "## Simulated curves"
TOP = """
Real trainings of five small models, kept in `bench/curves/short_runs/runs.json.gz`; `python -m bench.curves.short_runs`
makes them, in a plain loop with AdamW and clipping at 1. Part A is stories260k on three data sets, part B the embedded
demo model on three others, C and D are the two models on the data sets of the other part; each model is adapted to
conversations before. E is a small Qwen3, F a small GPT-2, which began with random weights and know those conversations
alone, each on three data sets whose prompts and answers have changed places. G is a small OLMo 2 that began likewise,
on three data sets as they are. Healthy runs have 60 to 120 steps and
differ in learning rate, schedule (linear, cosine, constant, constant with a decay at the end), warm-up, epochs, and
whether rows come by length. The logs of A and B are those of other programs, with none to twelve evaluations of twelve
rows, and differ in interval and decimals of records and in gradient norms. Those of the others are those of this
project's runs: every step with its norm, ten evaluations and one before the first step, of 25 to 48 rows whose single
losses are known.

What is true of a run that was to be healthy, was given few rows, or a high learning rate, is found out without any
check (`--ask truth`, `bench/curves/short_runs/truth.py`): it is made again, bit for bit, and measured on up to 128 rows
that it never sees, beside runs that differ in one thing. It is *worse on unseen rows* if its end is 5 % above its
lowest there, and two standard errors, rows compared in pairs; its learning rate was too high if the same run at a
middle one ends 5 % lower, likewise; where it is 5 % and not two standard errors, nobody knows, and the run does not
count. It starts above guessing if the loss of its training rows does; it has memorised if it ends a fifth better on its
own rows than on unseen ones; more steps would pay if a run of a quarter more ends 5 % lower; a spike is true if a
measurement on unseen rows is 5 % above the lowest before it and the lowest after it.

Part A taught the limits, and these definitions were fixed with its findings in view. Part B is a test of what was
corrected by A; that swings, few evaluations and falls by the decay of the learning rate are no findings was corrected
after its findings had been read. C and D were made later: {before}. Then their findings were read: that runs nobody can
decide do not count, that spikes are measured, that few rows which rise steadily are a warning, that losses far above
guessing are a spike, and that two evaluations which are equal exactly are enough, are from then. E and F came after
that: {sight}. That a plateau is true of a run that ends less than 2 % below its start on unseen rows, and that the
watch believes these at once, are from after that, and change nothing of it. G came last: {last}.

*Named*: by a check that says what the fault is, in the whole log or while it grew. *Live*: by the watch of a run, which
gets the records of five steps at a time. *Steps*: from the onset of the fault (without one: the first step) to that
finding, the median. Checks about the whole course (plateau, stalled, unmeasured, sums) do not judge a growing curve.

*Knowable after*: steps from the onset until anyone could know (`--ask knowable`, `knowable.py`), the median. What one
record shows (no number, a learning rate of zero or one that starts again, evaluations that are equal) is knowable with
it, a long warm-up at a quarter of the planned steps. A changed course is known from the step on at which the likelihood
ratio of the two courses, with the fault and without it, rows in the same order, tells them apart in nine of ten cases
at one false alarm in a hundred; a loss that is worse on unseen rows from the measurement on from which it stays so.
*Within 20 of it* leaves out the runs in which that is never, or not in the 40 steps that are compared.
"""
BEFORE = (
    "by the checks and definitions of before, C had a finding in 73 of 83 faulty runs and an untrue one in 12 of 37"
    " healthy ones (6 overfit, 4 spike), D in 75 of 77 and 0 of 43"
)
FIRST_SIGHT = (
    "at first sight E had a finding in 77 of 81 faulty runs, which named the fault in 75, and an untrue one in none of"
    " 39 healthy ones; F in 75 of 79, 73 and none of 38"
)
LAST = (
    "at first sight a finding in 80 of 80 faulty runs, which named the fault in 77, and an untrue one in 9 of 34"
    " healthy ones, all of one data set, whose validation rows begin 0.3 % above guessing and its training rows 3 %"
    " below; since then such an evaluation has to be above it by a standard error of its rows"
)
"""Of the runs that nobody had judged before."""

LIMITS = """Findings that are true of a healthy run: these models begin above guessing on data that is strange to them,
a log without evaluations is one, and rows that are seen again are known better, which is all that stairs say of a run
whose held-out loss nobody took. With a fresh optimizer at the full learning rate the validation loss of healthy runs
rises by up to 15 % and comes back within the run, so the watch waits (watch.md), and names fewer of the runs that
overfit, and those later. Evaluations in the logs of A and B have twelve rows, and without the losses of single rows
nobody knows whether one that is 5 % higher is chance. A learning rate that is ten to thirty times too high may
fall smoothly to a higher end: curve-rate-beaten finds it before the run, by comparison.
"""

POWER = """A frozen model shows in evaluations, which are equal (curve-unchanged). Without them its losses could show at
most this much (`--ask oracle`): the power, at one false alarm in a hundred, of a test that knows the course of the run
with its fault and without it and has only to say which of the two it sees; the logarithms of losses are taken as
normal, with the scatter of the batches. No test of these losses does better, and a real one knows neither course.
"""


def section(figures: Mapping[str, Any]) -> str:
    """The section, with its heading."""
    rows = [_fault(one) for one in figures["faults"]]
    columns = ["fault", "strength", *(f"{part}: named" for part in PARTS), "any finding", "live", "within 20", "steps",
               "knowable after", "within 20 of it"]  # fmt: skip
    healthy = "".join(_healthy(part, one) for part, one in figures["healthy"].items() if part != REPORTED)
    faulty = " ".join(
        f"{part}: a finding in {one['caught']} of {one['runs']} faulty runs, the fault named in {one['named']},"
        f" within {WITHIN} steps of its onset in {one['soon']} (knowable by then in {one['knowable_soon']}), and within"
        f" {WITHIN} steps of being knowable in"
        f" {one['soon_after']} of {one['knowable']}."
        for part, one in figures["parts"].items()
    )
    cost = f"Watching costs {figures['micros']:.0f} µs of CPU for each record, the median over the runs."
    power_columns = ["part", "fault", "data", "steps", "best test", "within 20 steps of the onset", "named"]
    power = POWER + _table(power_columns, [_power(one) for one in figures["power"]])
    designed = figures["designed"]
    begin = (
        f"The columns after {max(PARTS)} are those of {REPORTED}. {figures['runs']} runs, beside"
        f" {figures['undecided']} of which nobody knows and {designed['runs']} whose learning rate starts again by"
        f" design (equal cosine cycles), of which {designed['found']} have a finding about that. {faulty}"
    )
    top = TOP.format(before=BEFORE, sight=FIRST_SIGHT, last=LAST)
    return f"{HEADING}\n{top}{_table(columns, rows)}\n{begin}\n\n{healthy}\n{LIMITS}\n{power}\n{cost}\n"


def write(figures: Mapping[str, Any]) -> None:
    """Write the section anew, and leave the rest of the page as it is."""
    text = PAGE.read_text()
    old = re.search(rf"{HEADING}\n.*?(?={NEXT})", text, re.DOTALL)
    begin, end = old.span() if old else (text.index(NEXT), text.index(NEXT))
    PAGE.write_text(text[:begin] + section(figures) + "\n" + text[end:])


def _fault(one: Mapping[str, Any]) -> list[object]:
    all_ = one[REPORTED]
    delay = "–" if all_["delay"] is None else round(all_["delay"])
    strength = f"{one['strength']:g}" if one["strength"] else "–"
    named = (f"{one[part]['named']} of {one[part]['runs']}" for part in PARTS)
    counts = (f"{all_[key]} of {all_['runs']}" for key in ("any", "live", "soon"))
    after = "–" if all_["knowable_after"] is None else round(all_["knowable_after"])
    return [one["fault"], strength, *named, *counts, delay, after, f"{all_['soon_after']} of {all_['knowable']}"]


def _healthy(part: str, one: Mapping[str, Any]) -> str:
    begin = (
        f"Healthy runs of part {part}: {one['runs']}, of which {one['fail']} fail and the watch stops {one['stopped']}."
    )
    false = f"{one['false']} have a finding that is not true of them{_by(one['false_by'])}."
    whole = f"With any finding: in the whole log {one['whole']}{_by(one['whole_by'])}"
    return f"{begin} {false} {whole}; while it grew {one['live']}{_by(one['live_by'])}.\n"


def _power(one: Mapping[str, Any]) -> list[object]:
    powers = [f"{100 * one[key]:.0f} %" for key in ("power", "power_soon")]
    return [one["part"], one["fault"], one["data"], one["steps"], *powers, "yes" if one["named"] else "no"]


def _by(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} {count}' for name, count in sorted(counts.items()))})" if counts else ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"
