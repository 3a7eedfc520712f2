"""The command `sanetune plan`."""

from __future__ import annotations

from pathlib import Path

import click

from sanetune.cli import ConfigCommand, config_argument, guarded, json_option, opened, write_json


@click.command(name="plan", cls=ConfigCommand)
@config_argument
@json_option
@click.option(
    "--plots",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Draw the schedules into this folder (PNG and SVG).",
)
@guarded
def command(config: Path, overrides: tuple[str, ...], json_file: Path | None, plots: Path | None) -> None:
    """Show what a run with CONFIG will do, without training.

    Effective batch size with its equation, steps per epoch and in all, warm-up steps, a table of common
    configurations, the schedules compared at sample steps, and every inferred default with its reason.

    OVERRIDE: section.key=value, as in train.learning_rate=1e-4
    """
    settings = opened(config, overrides)

    from sanetune.planning.plan import plan
    from sanetune.report.terminal import plan as view

    made = plan(settings)
    if str(json_file) != "-":
        view.show(made)
    if plots is not None:
        for file in view.draw(made, plots):
            click.echo(f"Wrote {file}", err=str(json_file) == "-")
    if json_file is not None:
        write_json(json_file, made.to_dict())
