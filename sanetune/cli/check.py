"""sanetune check."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sanetune.cli import config_argument, guarded, json_option, write_json, write_text

if TYPE_CHECKING:
    from sanetune.audit.evidence import Evidence
    from sanetune.audit.fixer import Round
    from sanetune.config.schema import Config
    from sanetune.finding import Report


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
    from sanetune import checking, clearing, correcting

    said = ""
    settings, notes = checking.opened(config, overrides)
    for note in notes:
        click.echo(f"! {note}", err=True)

    def seen(settings: Config, evidence: Evidence, report: Report, before: Sequence[Round] = ()) -> None:
        nonlocal said
        said = clearing.keep(settings, report, clearing.fingerprint_of(evidence), partly=bool(select or ignore))
        if html is not None:
            write_text(html, checking.page(settings, evidence, report, before=before))

    rounds: list[Round] = []
    if fix:
        from sanetune.report.fixes import show as show_fixes

        done = correcting.correct(settings, overrides, level=level, select=select, ignore=ignore, seen=seen)
        report, rounds = done.report, done.rounds
        show_fixes(done, quiet=str(json_file) == "-")
    else:
        deep = level or settings.check.level
        with checking.evidence_of(settings, level=deep) as evidence:
            report = checking.look(settings, evidence, select, ignore, deep)
            seen(settings, evidence, report)
    _written(report, rounds, json_file, sarif, junit)
    if said:
        click.echo(said, err=True)
    if write_clean is not None:
        from sanetune.audit.cleaner import write as cleaned
        from sanetune.report.cleaned import show as show_cleaned

        with checking.evidence_of(settings) as evidence:
            show_cleaned(cleaned(evidence, write_clean))
    sys.exit(report.exit_code)


def _written(
    report: Report, rounds: list[Round], json_file: Path | None, sarif: Path | None, junit: Path | None
) -> None:
    """To the terminal, and into the files that were asked for."""
    if str(json_file) != "-":
        from sanetune.report import findings

        findings.show(report)
    if json_file is not None:
        corrected = {"rounds": [one.to_json() for one in rounds]} if rounds else {}
        write_json(json_file, report.to_json() | corrected)
    if sarif is not None:
        from sanetune.report.sarif import sarif as as_sarif

        write_json(sarif, as_sarif(report, Path.cwd()))
    if junit is not None:
        from sanetune.report.junit import junit as as_junit

        write_text(junit, as_junit(report))
