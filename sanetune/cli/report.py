"""The command `sanetune report`."""

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
    help="The file to write. Default: report.html in the run's folder.",
)
@guarded
def command(run: Path, html: Path | None) -> None:
    """Write one self-contained HTML page about RUN.

    It begins with what was proved before the run, its curve and its answers before and after. Below are findings,
    experiments, examples with the tokens in the loss, lengths, packs, versions, and every setting with its origin.
    Nothing is checked for it.
    """
    from sanetune.config.load import load
    from sanetune.report.html.collect import page_of_run
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.runs import Run
    from sanetune.text import shortest_path
    from sanetune.workflows.check import evidence_of

    folder = Run.open(run)
    settings = load(folder.config)
    target = html or folder.page
    with evidence_of(settings, LiveTerminal()) as evidence:
        write_text(target, page_of_run(settings, evidence, folder))
    click.echo(f"Wrote {shortest_path(target)}")
