"""The command `sanetune check`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sanetune.cli import (
    ConfigCommand,
    Function,
    complete_check,
    config_argument,
    guarded,
    json_option,
    names_callback,
    opened,
    start_processes,
    write_json,
    write_text,
)
from sanetune.errors import ConfigError

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.events import Publish
    from sanetune.evidence.registry import Evidence
    from sanetune.finding import Report
    from sanetune.gate.baseline import Baseline
    from sanetune.gate.fixer import Round
    from sanetune.report.terminal.findings import Detail

    Outcome = tuple[Report, list[Round], str]
    """The last report, the rounds of a correction, and a note about the clearance."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be checked, as it was typed.

    Attributes:
        overrides: ``section.key=value``, each.
        level: Deepest level of the checks.
        select: Names of checks or families; none: those of ``check.select``.
        ignore: Names that are left out.
        brief: Whether nothing but the verdict, and what to type next, is to be shown.
    """

    overrides: tuple[str, ...]
    level: str
    select: list[str]
    ignore: list[str]
    brief: bool = False


@dataclass(frozen=True, slots=True)
class Files:
    """Files that are to be written besides the terminal; None: not asked for."""

    json: Path | None
    sarif: Path | None
    junit: Path | None
    html: Path | None
    baseline: Path | None = None
    """Read, not written: what is in it does not count."""
    new_baseline: Path | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """How the report is printed.

    Attributes:
        verbose: Every check with its message and numbers.
        quiet: The verdict alone.
        format: ``text`` for people, ``lines`` for editors, ``github`` for annotations.
    """

    verbose: bool
    quiet: bool
    format: str

    def __post_init__(self) -> None:
        if self.verbose and self.quiet:
            raise click.UsageError("--verbose and --quiet exclude each other: leave one of them out.")

    @property
    def detail(self) -> Detail:
        """How much of the report is printed."""
        from sanetune.report.terminal.findings import Detail

        return Detail.EVERYTHING if self.verbose else Detail.VERDICT if self.quiet else Detail.SHORT


def _output(option: str, words: str) -> Callable[[Function], Function]:
    return click.option(option, metavar="F", type=click.Path(path_type=Path), help=words)


@click.command(name="check", cls=ConfigCommand)
@config_argument
@click.option(
    "--level",
    type=click.Choice(["static", "probe", "trial"]),
    help="How deep to check: static loads no weights, probe runs a few batches through the model, trial also trains it "
    "briefly. Default: check.level, which is trial unless set.",
)
@click.option(
    "--select",
    multiple=True,
    callback=names_callback,
    metavar="NAMES",
    shell_complete=complete_check,
    help="Only these checks or families.",
)
@click.option(
    "--ignore",
    multiple=True,
    callback=names_callback,
    metavar="NAMES",
    shell_complete=complete_check,
    help="Leave these checks or families out.",
)
@click.option("--fix", is_flag=True, help="Apply the fixes to CONFIG (with a backup beside it), and check again.")
@click.option(
    "--write-clean",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a cleaned copy of the data, with a log of every row left out or changed.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show every check, with its message and numbers.")
@click.option("--quiet", "-q", is_flag=True, help="Show the verdict only.")
@click.option(
    "--output-format",
    "--format",
    type=click.Choice(["text", "lines", "github"]),
    default="text",
    show_default=True,
    help="text: for people; lines: file:line: check [verdict] message; github: annotations of a pull request.",
)
@json_option
@_output("--sarif", "Also write SARIF, which code hosts show on the lines of the data file.")
@_output("--junit", "Also write JUnit XML.")
@_output("--html", "Also write one self-contained HTML page.")
@_output("--baseline", "Report only what is not in this baseline; the exit code is that of new findings.")
@_output("--write-baseline", "Write what is found into a baseline.")
@guarded
def command(
    config: Path,
    overrides: tuple[str, ...],
    level: str | None,
    select: list[str],
    ignore: list[str],
    fix: bool,
    write_clean: Path | None,
    verbose: bool,
    quiet: bool,
    output_format: str,
    json_file: Path | None,
    sarif: Path | None,
    junit: Path | None,
    html: Path | None,
    baseline: Path | None,
    write_baseline: Path | None,
) -> None:
    """Find faults in CONFIG, its data and the batches that would be trained on.

    CONFIG may also be a YAML file of Axolotl, LLaMA-Factory or `trl sft`. Exit code 0: no check failed (warnings are
    allowed), 1: a check failed, 2: the input cannot be used.

    OVERRIDE: section.key=value, as in train.learning_rate=1e-4
    """
    from sanetune.engine.distributed import is_main_process
    from sanetune.workflows.check import require_checks

    output = Output(verbose, quiet, output_format)
    if fix and (baseline or write_baseline):
        raise click.UsageError("--fix changes what a baseline is about: fix first, then check with the baseline.")
    settings = opened(config, overrides)
    files = Files(json_file, sarif, junit, html, baseline, write_baseline)
    request = Request(overrides, level or settings.check.level, select, ignore, brief=quiet)
    require_checks(settings, select, ignore, request.level)
    if request.level != "static" and not fix:
        start_processes(settings, checks=True)
    report, rounds, note = (_check_and_fix if fix else _check)(settings, request, files)
    if not is_main_process():
        sys.exit(0)  # what the main process says holds for all of them
    if str(files.json) != "-":
        _print(report, output)
    _write(report, rounds, files)
    if note and not quiet:
        click.echo(note, err=True)
    if write_clean is not None:
        _write_clean(settings, write_clean)
    sys.exit(report.exit_code)


def _check(settings: Config, request: Request, files: Files) -> Outcome:
    from sanetune.finding import all_witnesses
    from sanetune.workflows.check import evidence_of, run_checks

    compares = files.baseline is not None or files.new_baseline is not None
    known = _read_baseline(files)
    with evidence_of(settings, _terminal(), request.level) as evidence, all_witnesses(compares):
        full = run_checks(settings, evidence, request.select, request.ignore, request.level)
        report = _since(known, full, settings, files) if compares else full
        note = _keep(settings, evidence, full, request)
        _write_page(settings, evidence, report, (), files)
        return report, [], note


def _read_baseline(files: Files) -> Baseline | None:
    from sanetune.gate.baseline import read_baseline

    return read_baseline(files.baseline) if files.baseline is not None else None


def _since(known: Baseline | None, report: Report, settings: Config, files: Files) -> Report:
    """The report without what is known; a new baseline has all of it."""
    from sanetune.engine.distributed import is_main_process
    from sanetune.gate import baseline

    if files.new_baseline is not None and is_main_process():
        made = baseline.baseline_of(report, settings, files.new_baseline.parent)
        baseline.write_baseline(files.new_baseline, made)
    return baseline.shown(report) if known is None else baseline.only_new(report, known, settings)


def _check_and_fix(settings: Config, request: Request, files: Files) -> Outcome:
    from sanetune.config.machine import process_count
    from sanetune.report.terminal.fixes import show
    from sanetune.workflows.fix import correct

    if process_count() > 1:
        raise ConfigError(
            "--fix was asked for by several processes at once",
            "Each of them would change the file.",
            "Run `sanetune check CONFIG --fix` by itself, then train with `accelerate launch`.",
        )
    note = ""

    def on_round(settings: Config, evidence: Evidence, report: Report, before: Sequence[Round]) -> None:
        nonlocal note
        note = _keep(settings, evidence, report, request)
        _write_page(settings, evidence, report, before, files)

    done = correct(
        settings,
        request.overrides,
        level=request.level,
        select=request.select,
        ignore=request.ignore,
        publish=_terminal(),
        on_round=on_round,
    )
    show(done, quiet=str(files.json) == "-", brief=request.brief)
    return done.report, done.rounds, note


def _keep(settings: Config, evidence: Evidence, report: Report, request: Request) -> str:
    """Store the clearance that ``report`` earns; returns a note about it."""
    from sanetune.engine.distributed import is_main_process
    from sanetune.workflows.clear import store_clearance

    if not is_main_process():
        return ""
    partial = bool(request.select or request.ignore)
    return store_clearance(settings, report, evidence, partial=partial)


def _write_page(settings: Config, evidence: Evidence, report: Report, before: Sequence[Round], files: Files) -> None:
    """Write the page while the evidence is there."""
    from sanetune.engine.distributed import is_main_process

    if files.html is not None and is_main_process():
        from sanetune.report.html.collect import page_of

        write_text(files.html, page_of(settings, evidence, report, before=before))


def _write_clean(settings: Config, folder: Path) -> None:
    from sanetune.report.terminal.cleaned import show
    from sanetune.workflows.check import evidence_of
    from sanetune.workflows.clean import write

    with evidence_of(settings, _terminal()) as evidence:
        show(write(evidence, folder))


def _terminal() -> Publish:
    """The follower of events: of several processes, the main one alone shows them."""
    from sanetune.engine.distributed import is_main_process
    from sanetune.events import silent
    from sanetune.report.terminal.live import LiveTerminal

    return LiveTerminal() if is_main_process() else silent


def _print(report: Report, output: Output) -> None:
    """Print the report on standard output, in the format and detail that were asked for."""
    if output.format == "text" or output.quiet:
        from sanetune.report.terminal import findings

        findings.show(report, detail=output.detail)
        return
    from sanetune.report import lines

    for line in (lines.github if output.format == "github" else lines.lines)(report):
        click.echo(line)


def _write(report: Report, rounds: list[Round], files: Files) -> None:
    """Write into the files that were asked for."""
    if files.json is not None:
        corrected = {"rounds": [one.to_json() for one in rounds]} if rounds else {}
        write_json(files.json, report.to_json() | corrected)
    if files.sarif is not None:
        from sanetune.report.sarif import sarif as as_sarif

        write_json(files.sarif, as_sarif(report, Path.cwd()))
    if files.junit is not None:
        from sanetune.report.junit import junit as as_junit

        write_text(files.junit, as_junit(report))
