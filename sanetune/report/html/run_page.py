"""The page of a run, from the files in its folder: what was proved before it, and what became of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.errors import RunError
from sanetune.evidence.experiments import Experiments
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.clearance_file import read_clearance, read_experiments
from sanetune.report.clearance import report_of
from sanetune.report.html.broken_files import broken_files
from sanetune.report.html.collect import as_noted, settings_of, view
from sanetune.report.html.evaluation import evaluation_of
from sanetune.report.html.forecast_end import end_of
from sanetune.report.html.gauge import FORGETS, gauge_of
from sanetune.report.html.page import first_screen, heading_of, page, title_of
from sanetune.report.html.trained import run_view
from sanetune.report.html.view import Heading, PageView, RunView
from sanetune.report.live import LivePage
from sanetune.text import shortest_path
from sanetune.workflows.check import subject_of

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.evidence.registry import Evidence
    from sanetune.gate.clearance import Clearance
    from sanetune.report.html.status import Status
    from sanetune.runs import Run


def page_of_run(config: Config, evidence: Evidence, run: Run) -> str:
    """Return one self-contained HTML page about a run.

    Nothing is checked for it: it has the findings of the check that cleared the run, or says that there was none.

    Args:
        config: The run's configuration.
        evidence: Evidence of that configuration, of which rows and plan are shown.
        run: The run's folder.
    """
    return page(view_of_run(config, run, evidence))


def live_page(config: Config, run: Run, source: str) -> LivePage:
    """Return the page of a run as it is now, without what would need its rows.

    Args:
        config: The run's configuration.
        run: The run's folder.
        source: Path at which the page asks for what is new.
    """
    found = view_of_run(config, run)
    status = found.run.status if found.run else None
    title = title_of(found.heading or heading_of(found.report), found)
    return LivePage(page(found, live=source), first_screen(found), title, bool(status and status.is_over))


def view_of_run(config: Config, run: Run, evidence: Evidence | None = None) -> PageView:
    """Return the content of the page about a run.

    Args:
        config: The run's configuration.
        run: The run's folder.
        evidence: Evidence of that configuration, of which rows and plan are shown; None: neither is.
    """
    clearance, reason = read_clearance(run)
    subject = {name: value for name, value in subject_of(config).items() if name != "config"}
    subject["run"] = shortest_path(run.path)
    heading, note = _not_checked(clearance.unchecked if clearance else "", reason), ""
    report = Report((), subject=subject)
    if clearance is not None and clearance.proves:
        experiments, unread = read_experiments(run, clearance)
        report = report_of(clearance, subject, experiments)
        heading, note = _cleared(clearance, report, unread), f"Made on {clearance.made}, to clear the run."
    known = _versions(run)
    trained = run_view(run)
    if trained is not None:
        trained = _with_experiments(trained, run, Experiments.from_json(report.experiments), config)
        report = with_end(report, trained.forgets)
    found = view(config, evidence, report, known) if evidence else _bare(config, report, known or {})
    written = run.config.read_text(encoding="utf-8") if run.config.is_file() else ""
    return replace(
        found,
        settings=as_noted(found.settings, written),
        heading=_with_broken(_with_status(heading, trained.status if trained else None), run),
        experiments_note=note,
        run=trained,
        title=run.name,
        no_findings=_no_findings(clearance.unchecked if clearance else "", reason),
    )


def _versions(run: Run) -> dict[str, str | None] | None:
    """Versions of packages when the run was made; None where they are not known."""
    try:
        return run.read_json(run.versions)
    except (RunError, OSError):
        return None


def _with_broken(heading: Heading, run: Run) -> Heading:
    return replace(heading, notes=[*heading.notes, *broken_files(run)])


def with_end(report: Report, forgets: Finding | None) -> Report:
    """Return ``report`` with what model-forgets found of the tuned model, in the place of what it had of the trial."""
    if forgets is None:
        return report
    others = [one for one in report.findings if one.check != forgets.check]
    return replace(report, findings=[*others, replace(forgets, seconds=0.0)])  # its time is not of the check


def _with_experiments(view: RunView, run: Run, found: Experiments, config: Config) -> RunView:
    """What a run's own files and the experiments before it say together."""
    evaluations = view.curve.validation if view.curve else []
    last = evaluations[-1] if evaluations else None
    is_over = bool(view.status and view.status.is_over)
    # While a run goes on, what its folder has of a tuned model is of the one before.
    ended = None if view.status and view.status.kind == "running" else run
    return replace(
        view,
        end=end_of(run, found, last, is_over=is_over) if view.curve else None,
        gauge=gauge_of(ended, found, config.check.limits.get(FORGETS)),
        evaluation=evaluation_of(run),
    )


def _bare(config: Config, report: Report, versions: dict[str, str | None]) -> PageView:
    """What is known without reading any row."""
    return PageView(
        report,
        settings=settings_of(config),
        versions={name: value or "not installed" for name, value in versions.items()},
    )


def _with_status(heading: Heading, status: Status | None) -> Heading:
    """A run that ended badly is headed by that; what was proved before it is said below."""
    if status is None or status.tone == "pass" or status.kind == "unknown":
        return heading
    return Heading(status.title, status.tone, f"{heading.title}. {heading.text}", heading.notes)


def _cleared(clearance: Clearance, report: Report, unread: str) -> Heading:
    took = f" in {units.seconds(clearance.seconds)}" if clearance.seconds else ""
    began = f"Its first steps were not checked: {clearance.unchecked}" if clearance.unchecked else ""
    notes = [note for note in (began, f"Experiments are not shown: {unread}" if unread else "") if note]
    title = f"Cleared at level {clearance.level}" + (", with warnings" if report.verdict is Verdict.WARN else "")
    text = f"Checked on {clearance.made}{took}, before the run."
    return Heading(title, "warn" if began else report.verdict.value, text, notes)


def _no_findings(unchecked: str, reason: str) -> str:
    """What the list of findings says where no check was made before the run, or none that still counts."""
    known = f"--unchecked: {unchecked}" if unchecked else reason
    return f"Nothing was checked before the run{f' ({known})' if known else ''}."


def _not_checked(unchecked: str, reason: str) -> Heading:
    """A run of which nothing is proved, with the reason that was given, or why there is no clearance."""
    text = f"Trained without a check: {unchecked}" if unchecked else f"Nothing is proved about this run: {reason}."
    return Heading("Not checked", "warn", text)
