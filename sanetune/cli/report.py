"""sanetune report."""

from __future__ import annotations

from pathlib import Path

import click

from sanetune.cli import guarded, run_argument, write_text


@click.command(name="report")
@run_argument
@click.option(
    "--html",
    metavar="F",
    type=click.Path(path_type=Path),
    help="Where to write it. Open: report.html in the run's folder.",
)
@guarded
def command(run: Path, html: Path | None) -> None:
    """Write one self-contained page about RUN: findings with their rows, tokens as they are learnt, lengths, packs,
    settings with where each came from, versions."""
    from sanetune.config.load import load
    from sanetune.report.terminal.run import shortest
    from sanetune.runs import Run
    from sanetune.workflows import check as checking

    folder = Run.open(run)
    settings = load(folder.config)
    with checking.evidence_of(settings) as evidence:
        report = checking.look(settings, evidence)
        target = html or folder.page
        write_text(target, checking.page(settings, evidence, report, folder))
    click.echo(f"Wrote {shortest(target)}")
