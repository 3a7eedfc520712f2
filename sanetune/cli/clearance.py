"""The commands `sanetune clearance ...`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sanetune.cli import guarded, json_option, opened, run_argument, write_json


@click.group(name="clearance")
def command() -> None:
    """Verify the clearance of a run, the proof that it was checked before it trained.

    Example: sanetune clearance verify runs/support
    """


@command.command(name="verify")
@run_argument
@click.option(
    "--model",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The model or adapter that is deployed, where it is not the one in RUN.",
)
@click.option(
    "--config",
    "given",
    metavar="CONFIG",
    type=click.Path(path_type=Path),
    help="Also compare the values, data and base model of this configuration.",
)
@json_option
@guarded
def verify(run: Path, model: Path | None, given: Path | None, json_file: Path | None) -> None:
    """Say whether RUN's clearance is about the weights that are to be deployed.

    Every file of the model is read and compared with what training left. The run's data and base model are compared
    where they are on this machine, and with --config they have to be.

    Exit code 0: the clearance fits, 1: it does not, or there is none, 2: RUN is no run.

    Example: sanetune clearance verify runs/support --model /srv/models/support
    """
    from sanetune.workflows.verify_clearance import verify_clearance

    config = opened(given, ()) if given is not None else None
    found = verify_clearance(run, model=model, config=config)
    if str(json_file) != "-":
        from sanetune.report.terminal.verified import show

        show(found)
    if json_file is not None:
        write_json(json_file, found.to_json())
    sys.exit(0 if found.fits else 1)
