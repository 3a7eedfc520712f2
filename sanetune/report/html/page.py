"""Renders the page from a template, with its style and script in the same HTML file."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from sanetune import units
from sanetune.finding import BAD, WORST_FIRST, Finding, Report, Verdict
from sanetune.probes.row_losses import ORDER
from sanetune.report import format
from sanetune.report.experiment_text import loss_text
from sanetune.report.html import drawing, experiments, token_spans
from sanetune.report.html.assets import FOLDER, assets
from sanetune.report.html.charts import chart_json
from sanetune.report.html.in_run import FoundInRun, found_in_run
from sanetune.report.html.over_time import by_prompt
from sanetune.report.html.overview import overview
from sanetune.report.html.view import ROLES, Heading, PageView
from sanetune.text import escape_control, shorten_middle

LONGEST_TEXT, LONGEST_TRACE, LONGEST_VALUE = 1_500, 8_000, 300
"""Characters of a witness, a traceback, and a measured or set value."""
WITNESSES, NUMBERS, SETTINGS = 10, 60, 500
"""Witnesses and numbers of one finding, and settings that are shown, at most."""
LEAST = 0.001
"""Seconds below which a time is not shown."""
WORDS = {"clear": "Clear", "clear, with warnings": "Clear", "refused": "Refused", "unproved": "Unproved"}
ROLE_WORDS = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "template": "written by the template",
    "end": "ends a turn",
    "text": "plain text",
    "padding": "padding",
    "unknown": "unknown",
}


def page(view: PageView, *, live: str = "") -> str:
    """Return ``view`` as a whole HTML file.

    Args:
        view: What is shown.
        live: Path at which the page asks its server for what is new; "": it is a file.
    """
    values = _values(view)
    heading = values["heading"]
    found = assets(charts=bool(live) or _has_charts(values), live=bool(live))
    return template("template.html").render(
        **values,
        style=found.style,
        script=found.script,
        policy=found.policy,
        title=title_of(heading, view),
        brand=view.title,
        made_by=view.versions.get("sanetune", ""),
        live=live,
    )


def first_screen(view: PageView) -> str:
    """Return the first screen of ``view``: what a page in a browser replaces when the run has gone on."""
    return template("first.html").render(**_values(view))


def title_of(heading: Heading, view: PageView) -> str:
    """Return the title of the page: the course of a run that is not finished, the verdict, and the name."""
    status = view.run.status if view.run else None
    course = ""
    if status and status.kind != "finished":
        done = f" {units.share(status.progress)}" if status.progress is not None else ""
        course = f"{status.title}{done} · "
    return escape_control(f"{course}{heading.title} · {view.title}")


def _values(view: PageView) -> dict[str, Any]:
    report = view.report
    bad = format.by_weight(report.of(*BAD))
    others = [*report.of(Verdict.PASS), *report.of(Verdict.SKIP)]
    examples = token_spans.shown(view.examples)
    in_run = found_in_run(view.run) if view.run else []
    return {
        "view": view,
        "report": report,
        "heading": view.heading or heading_of(report),
        "overview": overview(view),
        "tally": {verdict.value: count for verdict, count in format.tally(report).items() if count},
        "listed": _listed(report, in_run),
        "in_run": in_run,
        "bad": bad,
        "others": others,
        "findings": [*bad, *others],
        "examples": examples,
        "anchors": {example.anchor for example in examples},
        "roles": [role for role in ROLES if any(token.role == role for one in view.examples for token in one.tokens)],
        "histogram": drawing.histogram(view.histogram),
        "packs": drawing.packs(view.packs),
        "experiments": experiments.experiments_view(report.experiments),
        "rounds": experiments.rounds(view.rounds),
        "over_time": by_prompt(view.run.over_time) if view.run else [],
        "names": {finding.check for finding in report.findings},
        "order": ORDER,
        "settings": view.settings[:SETTINGS],
        "training": experiments.run_plot(view.run.curve) if view.run and view.run.curve else None,
        "evidence_seconds": _evidence_seconds(report),
        "timed": sorted((one for one in report.findings if one.seconds >= LEAST), key=lambda one: -one.seconds),
    }


def _listed(report: Report, in_run: Sequence[FoundInRun]) -> dict[str, int]:
    """How many findings of the page have each verdict, worst first: those of the check and those of the run."""
    found = Counter(one.verdict for one in [*report.findings, *(one.finding for one in in_run)])
    return {verdict.value: found[verdict] for verdict in WORST_FIRST if found[verdict]}


def _has_charts(values: dict[str, Any]) -> bool:
    return bool(values["overview"].cards or values["experiments"] or any(one.plot for one in values["rounds"]))


def heading_of(report: Report) -> Heading:
    """Return the verdict of ``report`` with the level that it holds for; a check of nothing proves nothing."""
    if report.unusable:
        return Heading("Unusable", "fail", "The input cannot be used.")
    if all(finding.verdict is Verdict.SKIP for finding in report.findings):
        return Heading("Not checked", "warn", "No check had anything to inspect.")
    title = f"{WORDS[format.headline(report)]} at level {report.level}"
    if report.verdict is Verdict.WARN and not report.is_unproved:
        title += ", with warnings"
    tone = "warn" if report.is_unproved else report.verdict.value
    return Heading(title, tone, f"Checked in {units.seconds(report.seconds)}.")


def _evidence_seconds(report: Report) -> list[tuple[str, float]]:
    """What was done to build the evidence, in words, longest first; what has no name of its own is one number."""
    from sanetune.evidence.catalogue import catalogue

    every = catalogue()
    named: dict[str, float] = {}
    for name, seconds in report.evidence_seconds.items():
        found = every.get(name)
        words = found.label if found and found.label else "everything else"
        named[words] = named.get(words, 0.0) + seconds
    return sorted(((words, seconds) for words, seconds in named.items() if seconds >= LEAST), key=lambda one: -one[1])


def template(name: str) -> jinja2.Template:
    """Return a template of this folder, with the filters that make any text safe and short enough."""
    return _environment().get_template(name)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "token": _token,
        "text": lambda text: shorten_middle(text, LONGEST_TEXT),
        "trace": lambda text: shorten_middle(text, LONGEST_TRACE),
        "value": lambda value: shorten_middle(format.number(value), LONGEST_VALUE),
        "seconds": units.seconds,
        "share": units.share,
        "many": units.many,
        "lr": units.lr,
        "loss": loss_text,
        "capital": lambda text: text[:1].upper() + text[1:],
        "ended": lambda text: text if text.endswith((".", "!", "?", "…")) else f"{text}.",
        "set": lambda value: "unset" if value is None else shorten_middle(format.scalar(value), LONGEST_VALUE),
        "yaml": lambda fix: shorten_middle(format.yaml(fix), LONGEST_TRACE),
        "place": lambda witness: format.place(witness).replace(f"{os.getcwd()}{os.sep}", ""),
        "label": token_spans.label,
        "numbers": _numbers,
        "chart": chart_json,
    }
    environment.globals |= {
        "DONE": {verdict.value: word for verdict, word in format.DONE.items()},
        "BAD": BAD,
        "ROLE_WORDS": ROLE_WORDS,
        "WITNESSES": WITNESSES,
        "PACKS": drawing.PACKS,
        "SAMPLES": experiments.SAMPLES,
        "anchor": token_spans.anchor,
        "reason": _reason,
        "drawing": drawing,
    }
    return environment


def _shown(value: object) -> object:
    """Make control characters visible; the template applies this to every value."""
    return escape_control(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _token(text: str) -> str:
    """Return a token's text with its line breaks marked and kept; "∅" for an empty text."""
    return escape_control(shorten_middle(text, token_spans.LONGEST_TOKEN), newline="↵\n") or "∅"


def _numbers(values: dict[str, object]) -> list[tuple[str, object]]:
    return [(name.replace("_", " "), value) for name, value in list(values.items())[:NUMBERS]]


def _reason(finding: Finding) -> str:
    return format.reason(finding) if finding.verdict is Verdict.SKIP else finding.message
