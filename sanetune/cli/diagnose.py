"""The command `sanetune diagnose`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sanetune.cli import complain, guarded, json_option, names_callback, write_json

if TYPE_CHECKING:
    from sanetune.errors import UserError
    from sanetune.workflows.diagnose import Diagnosis


def _named(context: click.Context, parameter: click.Parameter, logs: tuple[str, ...]) -> tuple[Path, ...]:
    """The paths; an empty one, as of a variable that is not set, would be the working directory."""
    if not all(logs):
        raise click.BadParameter("it is empty: is a variable that it comes from not set?")
    if "-" in logs:
        raise click.BadParameter("- is no log: standard input is not read. Save it to a file first.")
    return tuple(map(Path, logs))


@click.command(name="diagnose")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...", callback=_named)
@click.option("--select", multiple=True, callback=names_callback, metavar="NAMES", help="Only these checks.")
@click.option("--ignore", multiple=True, callback=names_callback, metavar="NAMES", help="Leave these checks out.")
@click.option(
    "--from-scratch",
    is_flag=True,
    help="The runs began from random weights: a first loss as of guessing is none of a fault.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show every check, with its message and numbers.")
@json_option
@guarded
def command(
    logs: tuple[Path, ...],
    select: list[str],
    ignore: list[str],
    from_scratch: bool,
    verbose: bool,
    json_file: Path | None,
) -> None:
    """Say what went wrong in a run that is over, or still going on, from its LOG.

    LOG is a run's folder, a checkpoint, a trainer_state.json, metrics.jsonl, LLaMA-Factory's trainer_log.jsonl, a
    TensorBoard event file or folder, an offline run of W&B, a CSV export, a notebook, a model card, or the printed
    output of a Trainer.

    Exit code 0: nothing failed (warnings are allowed), 1: something did, 2: no LOG can be
    read (of several, those that cannot are named, and the others judged).
    """
    from sanetune.report.terminal import diagnosis as view
    from sanetune.workflows.diagnose import diagnose

    quiet = str(json_file) == "-"
    found: list[Diagnosis] = []
    unread: list[UserError] = []
    for diagnosis in view.waiting(diagnose(logs, select, ignore, unread.append, from_scratch=from_scratch)):
        found.append(diagnosis)
        if not quiet:
            view.show(diagnosis, verbose=verbose)
    for error in unread if found else unread[1:]:
        complain(error)
    if not found:
        raise unread[0]
    if len(found) > 1 and not quiet:
        view.show_all(found)
    worst = max(found, key=lambda one: one.report.verdict.rank).report
    if json_file is not None:
        logs_json = [one.to_json() for one in found]
        write_json(json_file, {"schema": 1, "verdict": worst.verdict.value, "logs": logs_json})
    sys.exit(worst.exit_code)
