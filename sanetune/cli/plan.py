"""The command `sanetune plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sanetune.cli import ConfigCommand, config_argument, guarded, json_option, opened, write_json

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.forecast.ahead import Ahead
    from sanetune.forecast.memory import Sharding
    from sanetune.planning.plan import Plan


@click.command(name="plan", cls=ConfigCommand)
@config_argument
@json_option
@click.option(
    "--plots",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Draw the schedules into this folder (PNG and SVG).",
)
@click.option("--forecast", is_flag=True, help="Forecast memory, time and cost too; the model is not loaded.")
@click.option(
    "--device",
    metavar="NAME",
    help='Forecast them on this device, as in "8 x H100"; unset: that of budget.devices, else this machine.',
)
@click.option(
    "--sharding",
    type=click.Choice(["ddp", "fsdp", "zero2", "zero3"]),
    help="How several devices share the work in the forecast. Default: as CONFIG trains.",
)
@click.option(
    "--measure",
    is_flag=True,
    help="Measure a few real steps: the fastest micro-batch, checkpointing, packing and precision.",
)
@click.option("--write", is_flag=True, help="Write what --measure has chosen into CONFIG; a copy is kept.")
@click.option("--layers", is_flag=True, help="Rank the layers by gradient and signal-to-noise instead.")
@guarded
def command(
    config: Path,
    overrides: tuple[str, ...],
    json_file: Path | None,
    plots: Path | None,
    forecast: bool,
    device: str | None,
    sharding: Sharding | None,
    measure: bool,
    write: bool,
    layers: bool,
) -> None:
    """Show what a run with CONFIG will do, without training.

    Effective batch size with its equation, steps per epoch and in all, warm-up steps, a table of common
    configurations, the schedules compared at sample steps, and every inferred default with its reason.

    With --measure the model is loaded and makes a few real steps in several ways: micro-batches of other sizes,
    with and without activation checkpointing, in packs or rows, in float32 or bf16. The effective batch stays
    the same, and so do values given as OVERRIDE. With --write the fastest is written into CONFIG:

        sanetune plan sanetune.yaml --measure --write

    With --layers the model is loaded, and its layers are ranked by the gradient of your data and by the
    signal-to-noise of their weights, with patterns for model.train_only.

    OVERRIDE: section.key=value, as in train.learning_rate=1e-4
    """
    if write and not measure:
        raise click.UsageError("--write writes what --measure has chosen: give both.")
    of_forecast = {"--forecast": forecast, "--device": device is not None, "--sharding": sharding is not None}
    given = ", ".join(name for name, value in of_forecast.items() if value)
    if measure and layers:
        raise click.UsageError("--measure times steps and --layers ranks layers: give one of them.")
    if layers and given:
        raise click.UsageError(f"--layers ranks layers on this machine and forecasts nothing: leave {given} out.")
    if measure and given:
        raise click.UsageError(f"--measure measures steps on this machine: leave {given} out, of a forecast.")
    if measure and plots is not None:
        raise click.UsageError("--plots draws schedules or layers, and --measure has none: leave one of them out.")
    settings = opened(config, overrides)
    if measure:
        _measure(settings, json_file, write)
        return
    if layers:
        _layers(settings, json_file, plots)
        return

    from sanetune.report.terminal import plan as view

    forecast = forecast or device is not None or sharding is not None
    made, ahead = _planned(settings, device, sharding) if forecast else (_plan(settings), None)
    if str(json_file) != "-":
        view.show(made, ahead=ahead)
    if plots is not None:
        for file in view.draw(made, plots):
            click.echo(f"Wrote {file}", err=str(json_file) == "-")
    if json_file is not None:
        write_json(json_file, made.to_dict() | ({"forecast": ahead.to_json()} if ahead else {}))


def _plan(settings: Config) -> Plan:
    from sanetune.planning.plan import plan

    return plan(settings)


def _planned(settings: Config, device: str | None, sharding: Sharding | None) -> tuple[Plan, Ahead]:
    from sanetune.workflows.plan import plan_ahead

    return plan_ahead(settings, device, sharding)


def _layers(config: Config, json_file: Path | None, plots: Path | None) -> None:
    from sanetune.report import layers_plot
    from sanetune.report.terminal import layers as view
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.workflows.layers import layers_of

    found = layers_of(config, LiveTerminal())
    quiet = str(json_file) == "-"
    if not quiet:
        view.show(found)
    for file in layers_plot.draw(found, plots) if plots is not None else ():
        click.echo(f"Wrote {file}", err=quiet)
    if json_file is not None:
        write_json(json_file, {"schema": 1, "layers": view.figures(found)})


def _measure(config: Config, json_file: Path | None, write: bool) -> None:
    from sanetune.report.terminal import measured as view
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.workflows.measuring import measure

    if write:
        measure.require_file(config)
    found = measure.measure_plan(config, LiveTerminal())
    if write:
        found = measure.write(config, found)
    if str(json_file) != "-":
        view.show(found)
    if json_file is not None:
        write_json(json_file, {"schema": 1, "measured": found.to_json()})
