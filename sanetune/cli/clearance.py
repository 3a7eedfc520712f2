"""The commands `sanetune clearance ...`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sanetune.cli import ConfigCommand, config_argument, guarded, json_option, opened, run_argument, write_json
from sanetune.text import escape_control


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


@command.command(name="status", cls=ConfigCommand)
@config_argument
@guarded
def status(config: Path, overrides: tuple[str, ...]) -> None:
    """Say whether the run of CONFIG may start: whether it was checked as it is now.

    Configuration, data and base model are compared with those of the clearance in the run's folder. No model is
    loaded and nothing is checked, so that a job can ask on its first machine before it starts the others.

    Exit code 0: it may, 1: it may not, 2: CONFIG cannot be used.

    Example: sanetune clearance status sanetune.yaml run.devices=16
    """
    settings = opened(config, overrides)

    from sanetune.commands import command as typed
    from sanetune.workflows.clear import clearance_status

    found = clearance_status(settings)
    if found.clearance is not None:
        click.echo(f"The run may start: {found.clearance.summary}")
        return
    click.echo("The run has no clearance that fits:", err=True)
    for reason in found.reasons:
        click.echo(escape_control(f"  {reason}", strict=True), err=True)
    click.echo(f"Make one: `{typed('check')}`.", err=True)
    sys.exit(1)
