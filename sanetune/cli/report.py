"""The command `sanetune report`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sanetune import units
from sanetune.cli import guarded, write_text
from sanetune.errors import RunError, UserError

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.runs import Run

WAIT = 0.5
"""Seconds after which a file that a run is about to write is asked for again."""
LONGEST = 600.0
"""Seconds for which a run that has yet to begin is waited for: its rows are prepared and checked before."""


@click.command(name="report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--html",
    metavar="F",
    type=click.Path(path_type=Path),
    help="The file to write. Default: report.html (comparison.html of several runs) in the first run's folder.",
)
@click.option("--live", is_flag=True, help="Serve the page on this machine, and keep it up to date, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="For --live. Default: a free one.")
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@guarded
def command(runs: tuple[Path, ...], html: Path | None, live: bool, port: int, show: bool) -> None:
    """Write one self-contained HTML page about RUN, or one that compares several.

    It begins with what was proved before the run, its losses, what was found while it trained, time and cost against
    their forecast, and its answers before and after. Below are findings, experiments, examples with the tokens in the
    loss, lengths, packs, versions, and every setting with its origin. Nothing is checked for it.

    With --live it is served on 127.0.0.1 while the run trains, without rows; its address has a token, and works on
    this machine alone. Of several runs it shows their curves in one picture, the settings that differ, and results
    side by side.
    """
    if live and len(runs) > 1:
        raise UserError(
            f"--live serves the page of one run, and {len(runs)} were given.",
            remedy="Give one of them, or leave --live out to compare them.",
        )
    if live and html:
        raise UserError("--live serves a page, and writes none.", remedy="Leave --html out, or --live.")
    if port and not live:
        raise UserError("--port is for --live.", remedy="Add --live, or leave --port out.")
    if live:
        _serve(runs[0], port, show=show)
        return
    if len(runs) == 1 and (runs[0] / "journal.jsonl").is_file():
        target = _journal(runs[0], html)
    else:
        target = _write(runs[0], html) if len(runs) == 1 else _compare(runs, html)
    if show and str(target) != "-":
        click.launch(target.resolve().as_uri())


def _write(path: Path, html: Path | None) -> Path:
    from sanetune.report.html.run_page import page_of_run
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.runs import Run
    from sanetune.workflows.check import evidence_of

    run = Run.open(path)
    settings = _settings(run)
    with evidence_of(settings, LiveTerminal()) as evidence:
        return _written(html or run.page, page_of_run(settings, evidence, run))


def _journal(folder: Path, html: Path | None) -> Path:
    from sanetune.report.html.auto_page import FILE, page_of_auto

    return _written(html or folder / FILE, page_of_auto(folder))


def _compare(paths: tuple[Path, ...], html: Path | None) -> Path:
    from sanetune.report.html.compared_runs import page_of_runs
    from sanetune.runs import Run

    runs = [Run.open(path) for path in paths]
    return _written(html or runs[0].path / "comparison.html", page_of_runs(runs))


def _written(target: Path, page: str) -> Path:
    from sanetune.text import shortest_path

    write_text(target, page)
    if str(target) != "-":
        click.echo(f"Wrote {shortest_path(target)}")
    return target


def _settings(run: Run, *, wait: bool = False) -> Config:
    """The configuration of ``run``; one that begins writes it when its rows are prepared, which ``wait`` waits for."""
    from sanetune.config.load import load
    from sanetune.workflows.run_state import read_state

    waited = False
    while not run.config.is_file() and (state := read_state(run)) and state.phase == "running" and state.is_alive:
        if not wait:
            raise RunError(
                f"{run.path} is only beginning, and has no configuration yet.",
                "It is written when the rows are prepared.",
                "Try again in a moment; --live waits for it.",
            )
        if not waited:
            click.echo(f"{run.name} is beginning; its page comes with its configuration.", err=True)
        waited = True
        time.sleep(WAIT)
    return load(run.config)


def _begun(path: Path) -> Run:
    """The run in ``path``; one of which nothing is there yet is waited for."""
    from sanetune.runs import Run

    until, waited = time.monotonic() + LONGEST, False
    while True:
        try:
            return Run.open(path)
        except RunError as error:
            if not _is_to_come(Run(path)) or time.monotonic() > until:
                raise
            if not waited:
                click.echo(
                    f"{error.message} Waiting for training to make it, {units.seconds(LONGEST)} at most: the rows are"
                    f" prepared and checked before. {error.remedy}",
                    err=True,
                )
        waited = True
        time.sleep(WAIT)


def _is_to_come(run: Run) -> bool:
    """Whether training could still make ``run``: there is nothing in its folder but what a check leaves."""
    left = {run.clearance, run.experiments, run.checkpoints}
    return not run.path.exists() or (run.path.is_dir() and left.issuperset(run.path.iterdir()))


def _serve(path: Path, port: int, *, show: bool) -> None:
    from sanetune.report.html.run_page import live_page
    from sanetune.report.live import PageCache, PageServer

    try:
        run = _begun(path)
        settings = _settings(run, wait=True)
    except KeyboardInterrupt:
        return
    server: PageServer
    cache = PageCache(run, lambda: live_page(settings, run, f"/data?token={server.token}"))
    server = PageServer(cache, port)
    cache.get()
    click.echo(f"{server.url}\nThe page of {run.name}, kept up to date. Ctrl-C ends it.")
    if show:
        click.launch(server.url)
    try:
        server.serve()
    except KeyboardInterrupt:
        click.echo("\nNo longer served.")
