"""The command `sanetune auto`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sanetune.cli import ConfigCommand, guarded, json_option, write_json

if TYPE_CHECKING:
    from sanetune.workflows.auto.decision import Decision
    from sanetune.workflows.auto.request import Request


class AutoCommand(ConfigCommand):
    """Its overrides are told apart from DATA by what they are."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[OVERRIDE]..."]


@click.command(name="auto", cls=AutoCommand)
@click.argument("model", metavar="MODEL", required=False)
@click.argument("data", metavar="DATA", nargs=-1)
@click.option("--budget", metavar="B", help='The most that it may take: 6h, "1d 12h" or "$50".  [default: no limit]')
@click.option("--goal", metavar="TEXT", default="", help='What it is for, or a measure: "ends by itself at least 95%".')
@click.option(
    "--from", "source", metavar="FILE", type=click.Path(path_type=Path), help="Begin with this configuration."
)
@click.option("--out", metavar="FOLDER", type=click.Path(path_type=Path), help="Its folder  [default: auto/NAME].")
@click.option("--ask", "asks", is_flag=True, help="Ask at each decision; Enter takes what it would do.")
@click.option("--dry-run", is_flag=True, help="Say what it would do: read the data, train nothing, leave no file.")
@click.option("--resume", is_flag=True, help="Go on with the journal in --out, or the only one in auto/, after Ctrl-C.")
@json_option
@guarded
def command(
    model: str | None,
    data: tuple[str, ...],
    budget: str | None,
    goal: str,
    source: Path | None,
    out: Path | None,
    asks: bool,
    dry_run: bool,
    resume: bool,
    json_file: Path | None,
) -> None:
    """Carry MODEL and DATA to a model that is proved better, or say why not.

    It inspects the data, cleans a copy, plans, checks and fixes, sweeps where that pays, trains under watch, compares,
    and promotes or rejects. Every decision is in journal.jsonl with its reason. It never goes beyond the budget, and
    promotes only what is better on held-out rows, cleared by the gate, and has forgotten nothing.

    \b
    sanetune auto Qwen/Qwen3-0.6B support.jsonl --budget 6h
    sanetune auto MODEL DATA --budget "$50" budget.usd_per_device_hour=2.5

    OVERRIDE such as data.loss_on=last is written into the configuration that it begins with. Exit code 0: a model
    was promoted, 1: none was, 2: the input cannot be used.
    """
    from sanetune import api_auto
    from sanetune.report.terminal import auto as view

    if dry_run and (resume or asks):
        raise click.UsageError("--dry-run does nothing that could be resumed or asked about: give it alone.")
    request = _request(model, data, budget, goal, source, resume=resume)
    quiet = str(json_file) == "-"
    if dry_run:
        entries = api_auto.dry_run(request)
        if not quiet:
            view.show_dry_run(entries)
        if json_file is not None:
            write_json(json_file, {"schema": 1, "dry_run": True, "decisions": entries})
        return
    from sanetune.workflows.auto.run import default_folder, only_folder

    # Where model or configuration is named, the folder follows from it.
    folder = out or (only_folder() if resume and not (request.model or request.source) else default_folder(request))
    try:
        result = api_auto.auto(request, folder, resume=resume, ask=_asked if asks else None)
    except KeyboardInterrupt:
        _say_how_to_go_on(folder)
        raise
    if not quiet:
        view.show(result)
    if json_file is not None:
        write_json(json_file, result.to_json())
    sys.exit(result.exit_code)


def _request(
    model: str | None,
    data: tuple[str, ...],
    budget: str | None,
    goal: str,
    source: Path | None,
    *,
    resume: bool,
) -> Request:
    from sanetune.config.override import parted
    from sanetune.workflows.auto.request import Budget, Request, parse_budget

    named, overrides = parted([word for word in (model, *data) if word is not None])
    if source is not None and named:
        raise click.UsageError("--from FILE names model and data: leave MODEL and DATA out.")
    if resume:
        if goal or overrides:
            raise click.UsageError("--resume goes on with what was asked before: only --budget can be given anew.")
    elif source is None and len(named) < 2:
        raise click.UsageError("Give MODEL and DATA, or --from FILE.")
    given = Budget() if budget is None else parse_budget(budget)
    first = named[0] if named else ""
    return Request(first, tuple(named[1:]), "" if source is None else str(source), tuple(overrides), given, goal)


def _asked(state: str, decision: Decision) -> tuple[str, str]:
    """Let a person choose; Enter takes the default."""
    from sanetune.report.terminal.auto import ask_view

    for line in ask_view(state, decision):
        click.echo(line, err=True)
    names = [one.name for one in decision.options if not one.barred]
    while True:
        chosen = _answer(decision.chosen)
        if chosen.isdigit() and 1 <= int(chosen) <= len(decision.options):
            chosen = decision.options[int(chosen) - 1].name
        if chosen in names:
            return chosen, "policy, confirmed" if chosen == decision.chosen else "person"
        click.echo(f"Not possible: {chosen}. Choose one of: {', '.join(names)}", err=True)


def _answer(default: str) -> str:
    from sanetune.errors import ConfigError

    try:
        return str(click.prompt("Which", default=default, err=True, show_default=True)).strip()
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise KeyboardInterrupt from None
    raise ConfigError(
        "--ask got no answer: standard input has ended.",
        "Each decision waits for a person.",
        "Leave --ask out, or go on at a terminal with: sanetune auto --resume --ask --out FOLDER",
    )


def _say_how_to_go_on(folder: Path) -> None:
    """What Ctrl-C leaves, and the command that goes on with it; nothing where nothing was begun."""
    from sanetune.workflows.auto.journal import NAME

    if (folder / NAME).is_file():
        click.echo(f"\nKept in {folder}: every decision, and the work that was finished. Go on with:", err=True)
        click.echo(f"  sanetune auto --resume --out {shlex.quote(str(folder))}", err=True)
