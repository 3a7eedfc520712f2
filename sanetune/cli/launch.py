"""The command `sanetune launch`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sanetune.cli import WORDS, ConfigCommand, config_argument, guarded, opened
from sanetune.cli.train import unchecked_option
from sanetune.text import escape_control

if TYPE_CHECKING:
    from sanetune.workflows.launching.write import Target


@click.command(name="launch", cls=ConfigCommand)
@config_argument
@click.option(
    "--on",
    required=True,
    type=click.Choice(["local", "slurm", "sky", "kubeflow", "ray", "hf-jobs"]),
    help="What is to start the run.",
)
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines.")
@click.option(
    "--devices",
    type=click.IntRange(1),
    help="Devices of each machine. Default: run.devices or budget.devices, divided by the machines.",
)
@click.option("--device", metavar="NAME", default="", help="Kind of device: H100 for sky, a flavor for hf-jobs.")
@click.option("--hours", type=click.FloatRange(0, min_open=True), help="Time limit. Default: budget.max_hours.")
@click.option("--image", metavar="NAME", default="", help="Container image, where there is one.")
@click.option("--install", metavar="WHAT", default="", help="What pip installs sanetune from: git+URL, or a wheel.")
@click.option("--workdir", metavar="DIR", type=click.Path(path_type=Path), help="CONFIG's folder on the machines.")
@click.option("--resume", is_flag=True, help="Go on from the last complete checkpoint of the run.")
@unchecked_option
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="The file to write.")
@click.option("--force", is_flag=True, help="Replace the file if it is there already.")
@guarded
def command(
    config: Path,
    overrides: tuple[str, ...],
    on: Target,
    nodes: int,
    devices: int | None,
    device: str,
    hours: float | None,
    image: str,
    install: str,
    workdir: Path | None,
    resume: bool,
    unchecked: str | None,
    out: Path | None,
    force: bool,
) -> None:
    """Write the file with which a scheduler or a cloud starts the run of CONFIG. Nothing is started.

    On the first machine the clearance of the run is read before the processes start: what was not checked, or was
    changed since, ends the job.

    Example: sanetune launch sanetune.yaml --on slurm --nodes 2 --devices 8

    OVERRIDE: section.key=value, which the run gets too
    """
    settings = opened(config, overrides)

    from sanetune.workflows.launching.write import Asked, write_launch

    typed = shlex.join(["sanetune", "launch", *click.get_current_context().meta[WORDS]])
    asked = Asked(on, nodes, devices, device, hours, image, workdir, resume, unchecked, typed, install)
    launch = write_launch(config, overrides, settings, asked, out, force=force)
    for note in launch.notes:
        click.echo(escape_control(f"! {note}", strict=True), err=True)
    click.echo(f"Wrote {launch.file}")
    click.echo(f"Next: {launch.next}")
