"""sanetune check."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sanetune.cli import config_argument, guarded, json_option, write_json, write_text
from sanetune.errors import ConfigError

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.evidence.registry import Evidence
    from sanetune.finding import Report
    from sanetune.gate.fixer import Round

    Outcome = tuple[Report, list[Round], str]
    """The last report, the rounds of a correction, and what is to be said about the clearance."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be looked at."""

    overrides: tuple[str, ...]
    level: str
    select: list[str]
    ignore: list[str]


@dataclass(frozen=True, slots=True)
class Files:
    """What is to be written beside the terminal."""

    json: Path | None
    sarif: Path | None
    junit: Path | None
    html: Path | None


def _names(context: Any, parameter: Any, value: tuple[str, ...]) -> list[str]:
    return [name.strip() for one in value for name in one.split(",") if name.strip()]


def _output(option: str, words: str) -> Any:
    return click.option(option, metavar="F", type=click.Path(path_type=Path), help=words)


@click.command(name="check")
@config_argument
@click.option(
    "--level",
    type=click.Choice(["static", "probe", "trial"]),
    help="How far to go: look only, probe the model, or train a short trial (open: check.level, which is trial).",
)
@click.option("--select", multiple=True, callback=_names, metavar="NAMES", help="Only these checks or families.")
@click.option("--ignore", multiple=True, callback=_names, metavar="NAMES", help="Not these checks or families.")
@click.option("--fix", is_flag=True, help="Apply the fixes to CONFIG (a backup lies beside it), and check again.")
@click.option(
    "--write-clean",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a cleaned copy of the data, with a log of every row left out or changed.",
)
@json_option
@_output("--sarif", "Also write SARIF, which code hosts show on the data file's lines.")
@_output("--junit", "Also write JUnit XML.")
@_output("--html", "Also write one self-contained page.")
@guarded
def command(
    config: Path,
    overrides: tuple[str, ...],
    level: str | None,
    select: list[str],
    ignore: list[str],
    fix: bool,
    write_clean: Path | None,
    json_file: Path | None,
    sarif: Path | None,
    junit: Path | None,
    html: Path | None,
) -> None:
    """Look for faults in CONFIG, its data and the batches that would be trained on.

    CONFIG may also be a YAML of Axolotl or LLaMA-Factory. Exit code 0: clear (warnings allowed), 1: a check failed,
    2: the input cannot be used.

    OVERRIDE: section.key=value, as in train.learning_rate=1e-4
    """
    from sanetune.engine.distributed import is_main_process
    from sanetune.workflows import check as checking

    settings, notes = checking.opened(config, overrides)
    for note in notes:
        click.echo(f"! {note}", err=True)
    files = Files(json_file, sarif, junit, html)
    wanted = Wanted(overrides, level or settings.check.level, select, ignore)
    report, rounds, said = (_corrected if fix else _looked)(settings, wanted, files)
    if not is_main_process():
        sys.exit(report.exit_code)
    _written(report, rounds, files)
    if said:
        click.echo(said, err=True)
    if write_clean is not None:
        from sanetune.report.terminal.cleaned import show as show_cleaned
        from sanetune.workflows.clean import write as cleaned

        with checking.evidence_of(settings) as evidence:
            show_cleaned(cleaned(evidence, write_clean))
    sys.exit(report.exit_code)


def _looked(settings: Config, wanted: Wanted, files: Files) -> Outcome:
    from sanetune.workflows import check as checking

    with checking.evidence_of(settings, level=wanted.level) as evidence:
        report = checking.look(settings, evidence, wanted.select, wanted.ignore, wanted.level)
        return report, [], _seen(settings, evidence, report, (), wanted, files)


def _corrected(settings: Config, wanted: Wanted, files: Files) -> Outcome:
    from sanetune.config.machine import process_count
    from sanetune.report.terminal.fixes import show
    from sanetune.workflows import fix as correcting

    if process_count() > 1:
        raise ConfigError(
            "--fix was asked for by several processes at once",
            "Each of them would change the file.",
            "Run `sanetune check CONFIG --fix` by itself, then train with `accelerate launch`.",
        )
    said = ""

    def seen(settings: Config, evidence: Evidence, report: Report, before: Sequence[Round]) -> None:
        nonlocal said
        said = _seen(settings, evidence, report, before, wanted, files)

    done = correcting.correct(
        settings, wanted.overrides, level=wanted.level, select=wanted.select, ignore=wanted.ignore, seen=seen
    )
    show(done, quiet=str(files.json) == "-")
    return done.report, done.rounds, said


def _seen(
    settings: Config, evidence: Evidence, report: Report, before: Sequence[Round], wanted: Wanted, files: Files
) -> str:
    """While the evidence is there: the clearance, and the page. What is to be said about the clearance."""
    from sanetune.engine.distributed import is_main_process
    from sanetune.workflows import check as checking
    from sanetune.workflows import clear as clearing

    if not is_main_process():
        return ""
    partly = bool(wanted.select or wanted.ignore)
    said = clearing.keep(settings, report, clearing.fingerprint_of(evidence), partly=partly)
    if files.html is not None:
        write_text(files.html, checking.page(settings, evidence, report, before=before))
    return said


def _written(report: Report, rounds: list[Round], files: Files) -> None:
    """To the terminal, and into the files that were asked for."""
    if str(files.json) != "-":
        from sanetune.report.terminal import findings

        findings.show(report)
    if files.json is not None:
        corrected = {"rounds": [one.to_json() for one in rounds]} if rounds else {}
        write_json(files.json, report.to_json() | corrected)
    if files.sarif is not None:
        from sanetune.report.sarif import sarif as as_sarif

        write_json(files.sarif, as_sarif(report, Path.cwd()))
    if files.junit is not None:
        from sanetune.report.junit import junit as as_junit

        write_text(files.junit, as_junit(report))
