"""Reports, runs, sweeps and comparisons as the last value of a notebook's cell: what decides, without any script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from sanetune.finding import BAD, Report, Verdict
from sanetune.report import format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from sanetune.finding import Finding
    from sanetune.report.html.view import RunView
    from sanetune.workflows.comparing.result import Compared
    from sanetune.workflows.sweep.result import Sweep
    from sanetune.workflows.train import Trained

FINDINGS = 12
"""Findings of a report that are shown with their remedy; a page or the terminal has the others."""
SAMPLES = 3
"""Prompts of a run that are shown."""
WIDTH = 96
"""Columns of what the terminal shows."""


def show_in_notebooks() -> None:
    """Let notebooks show a result that is the last value of a cell, instead of its ``repr``."""
    from sanetune.workflows.comparing.result import Compared
    from sanetune.workflows.sweep.result import Sweep
    from sanetune.workflows.train import Trained

    # They are below everything that draws, so the methods are added from here.
    shown = ((Report, report_html), (Trained, run_html), (Sweep, sweep_html), (Compared, compared_html))
    for kind, html in shown:
        setattr(kind, "_repr_html_", html)  # noqa: B010


def report_html(report: Report) -> str:
    """Return verdict and findings of ``report`` as a piece of HTML of some kilobytes, which loads and runs nothing."""
    from sanetune.report.html.overview import overview
    from sanetune.report.html.page import heading_of, template
    from sanetune.report.html.view import PageView

    bad = format.by_weight(report.of(*BAD))
    return template("notebook.html").render(
        style=_style(),
        heading=heading_of(report),
        tally={verdict.value: count for verdict, count in format.tally(report).items() if count},
        status=None,
        path="",
        bad=bad[:FINDINGS],
        more=len(bad[FINDINGS:]),
        others=[*report.of(Verdict.PASS), *report.of(Verdict.SKIP)],
        overview=overview(PageView(report)),
        samples=[],
        after="",
    )


def run_html(trained: Trained) -> str:
    """Return losses, figures and answers of a finished run as a piece of HTML, which loads and runs nothing."""
    from sanetune.report.html.overview import overview
    from sanetune.report.html.page import template
    from sanetune.report.html.trained import run_view
    from sanetune.report.html.view import Heading, PageView
    from sanetune.text import shortest_path

    clearance, run = trained.clearance, run_view(trained.run)
    proved = clearance.summary if clearance else "no gate was asked"
    return template("notebook.html").render(
        style=_style(),
        heading=Heading(trained.run.name, "pass" if clearance and clearance.proves else "warn", f"{proved}."),
        tally={},
        status=run.status if run else None,
        path=shortest_path(trained.run.path),
        bad=_found(run) if run else [],
        more=0,
        others=[],
        overview=overview(PageView(Report(()), run=run)),
        samples=run.samples[:SAMPLES] if run else [],
        after="tuned",
    )


def _found(run: RunView) -> list[Finding]:
    """All that watch, log and the measurement of forgetting have found of a run, worst first."""
    forgets = [run.forgets] if run.forgets else []
    return format.by_weight([*(one.finding for one in run.fired), *run.findings, *forgets])


def sweep_html(sweep: Sweep) -> str:
    """Return trials, losses and verdict of a sweep as the terminal shows them, as a piece of HTML."""
    from sanetune.report.terminal.sweep import view

    return _terminal_html(view(sweep))


def compared_html(found: Compared) -> str:
    """Return the figures and the verdict of a comparison as the terminal shows them, as a piece of HTML."""
    from sanetune.report.terminal.compared import figures

    return _terminal_html(figures(found))


def _terminal_html(parts: Sequence[RenderableType]) -> str:
    from io import StringIO

    from rich.console import Console

    console = Console(record=True, width=WIDTH, file=StringIO(), color_system="truecolor", highlight=False)
    for part in parts:
        console.print(part)
    return console.export_html(inline_styles=True, code_format='<pre class="sanetune">{code}</pre>')


def _style() -> Markup:
    from sanetune.report.html.assets import FOLDER

    return Markup((FOLDER / "notebook.css").read_text(encoding="utf-8").strip())
