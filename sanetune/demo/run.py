"""The demo run on the embedded model: plan, masks, check, training with its clearance, answers side by side."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.demo import folder
from sanetune.demo.answers import Answers
from sanetune.demo.check import CheckSummary, check, findings_of, table
from sanetune.demo.faults import TRIAL, sound_settings
from sanetune.demo.folder import FIGURES
from sanetune.demo.sections import paragraph, put, section
from sanetune.runs import Run

if TYPE_CHECKING:
    from rich.console import Console

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.planning.plan import Plan

SHOWN = 3
"""Held-out prompts whose answers are shown; all of them are scored."""


def settings(out: Path) -> dict[str, Any]:
    """Return the demo's configuration: little is set, the rest is inferred and shown with its reasons."""
    return sound_settings(epochs=2) | {"check": dict(TRIAL), "run": {"output_dir": str(out), "name": "demo"}}


def run(out: Path, console: Console) -> dict[str, Any]:
    """Run everything into the folder ``out``; takes under four minutes on two cores.

    An earlier demo's folder is replaced.

    Args:
        out: The run's folder.
        console: Where to print.

    Returns:
        The figures, which are in ``out/demo.json`` too; ``completed`` says whether everything went as it should.

    Raises:
        RunError: Where the folder holds anything but an earlier demo.
    """
    began = time.monotonic()
    from sanetune import api
    from sanetune.config import load
    from sanetune.engine.metrics import curve_of
    from sanetune.report.terminal.curves import losses

    folder.clear(out)
    Run(out).check_free()
    config = load(settings(out))
    prepared = api.prepare(config, console=console)
    plan = _plan(config, prepared, console)
    _masks(prepared, console)
    summary = _check(config, prepared, plan, console)
    if summary.report.exit_code:
        return _write(Run(out), {"completed": False}, summary, began)
    words = "With that clearance. Every record goes to metrics.jsonl; an evaluation every 50 steps."
    section(console, 4, "Training", words)
    trained = api.train(config, console=console)
    put(console, losses(curve_of(trained.outcome.records)))
    section(console, 5, "Before and after", "The same prompts, the same greedy decoding, base and tuned model.")
    assert trained.outcome.model is not None
    answers = Answers(prepared, trained.outcome.model)
    answers.show(console, SHOWN)
    figures = _write(Run(out), answers.figures(console), summary, began)
    _write_page(Run(out))
    _end(Run(out), figures, console)
    return figures


def _plan(config: Config, prepared: Prepared, console: Console) -> Plan:
    from sanetune.planning.plan import plan
    from sanetune.report.terminal.plan import parts

    found = plan(config, prepared)
    section(console, 1, "The plan", "A small base model, letters to a shop, and what a run with them will do.")
    put(console, parts(found)[:2])
    paragraph(console, "`sanetune plan` also shows schedules and the reason for every value.", "dim")
    return found


def _masks(prepared: Prepared, console: Console) -> None:
    from sanetune.report.terminal.data import CLOSE, OPEN, examples
    from sanetune.report.terminal.layout import without_colour

    marked = without_colour(console)
    shown = (
        f"tokens in {OPEN}brackets{CLOSE} are in the loss, the others are"
        if marked
        else "green tokens are in the loss, dim ones are"
    )
    section(console, 2, "What is in the loss", f"Only the answers count: {shown} read and masked.")
    put(console, examples(prepared, count=1, marked=marked))


def _check(config: Config, prepared: Prepared, plan: Plan, console: Console) -> CheckSummary:
    """Check the run, and show what was found."""
    from sanetune.evidence.from_config import given_rows

    words = "Before the full run: static checks, probes, overfit test, learning-rate comparison, the first steps."
    section(console, 3, "The check", words)
    summary = check(config, console, {**given_rows(config, prepared), "plan": plan})
    put(console, [table(summary)])
    console.print()
    put(console, findings_of(summary.report, [finding.check for finding in summary.report.findings]))
    words = f"The trial has {TRIAL['trial_steps']} steps here, not 200: the whole run has {plan.steps.total_steps}."
    if summary.share is not None:
        words += f" Even so the check takes {summary.share:.1f} times as long as so short a run;"
        words += " it takes no longer for a long one."
    paragraph(console, words, "dim")
    return summary


def _write(run: Run, figures: dict[str, Any], summary: CheckSummary, began: float) -> dict[str, Any]:
    """Keep the figures. Without a clearance the fault is ours or the machine's: model and data are sound."""
    figures = {**figures, "check": summary.to_json(), "seconds": round(time.monotonic() - began, 1)}
    run.write_json(run.path / FIGURES, figures)
    return figures


def _write_page(run: Run) -> None:
    """Write what `sanetune report` does."""
    from sanetune.atomic import write_text
    from sanetune.config.load import load
    from sanetune.report.html.run_page import page_of_run
    from sanetune.workflows.check import evidence_of

    settings = load(run.config)
    with evidence_of(settings) as evidence:
        write_text(run.page, page_of_run(settings, evidence, run))


def _end(run: Run, figures: dict[str, Any], console: Console) -> None:
    """Print where everything is."""
    from rich.text import Text

    from sanetune import units
    from sanetune.text import shortest_path

    took = units.seconds(figures["seconds"])
    paragraph(console, f"The whole demo took {took}. Everything is in {shortest_path(run.path)}:")
    kept = {
        "report.html": "all of it on one page; sanetune report RUN --live keeps it up to date while a run trains",
        "model": "the tuned model",
        "clearance.json": "which settings and data were checked, and what was found",
        "plots/curves.png": "curves",
        FIGURES: "these figures",
    }
    for name, words in kept.items():
        console.print(Text(f"  {shortest_path(run.path / name)}  {words}", style="dim"))
    if not figures["completed"]:
        paragraph(console, "The tuned model is not what it should be: this is a fault of the demo.", "bold red")
    paragraph(console, "Next: sanetune demo --fault rate, and then your own: sanetune init MODEL DATA.")
