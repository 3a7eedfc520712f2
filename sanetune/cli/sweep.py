"""The command `sanetune sweep`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sanetune.cli import ConfigCommand, complete_override, guarded, json_option, opened, write_json


@click.command(name="sweep", cls=ConfigCommand)
@click.argument("config", metavar="CONFIG", type=click.Path(path_type=Path))
@click.argument("values", nargs=-1, metavar="[NAME=VALUES]...", shell_complete=complete_override)
@click.option("--trial-steps", type=click.IntRange(min=1), metavar="N", help="Steps of a trial [check.trial_steps].")
@click.option("--trials", type=click.IntRange(min=1), metavar="N", help="Trials of a search  [default: 8].")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Trials at once  [default: one for each GPU].")
@click.option("--out", metavar="FOLDER", type=click.Path(path_type=Path), help="Where it is kept [the run's, -sweep].")
@json_option
@guarded
def command(
    config: Path,
    values: tuple[str, ...],
    trial_steps: int | None,
    trials: int | None,
    jobs: int | None,
    out: Path | None,
    json_file: Path | None,
) -> None:
    """Compare values of CONFIG in short runs, on the same rows, with the same seed.

    NAME=V1,V2 tries each value (of several names, each combination), NAME=LOW..HIGH and learning_rate=auto search, and
    NAME=VALUE is the same for all. Short names will do: learning_rate, lora_r, adapter=none,lora. Without any, the
    learning rate is searched around the critical one.

    A sweep that was stopped goes on where it was. Exit code 1: no trial made all its steps.
    """
    settings = opened(config, ())

    from sanetune import api
    from sanetune.report.terminal import sweep as view

    try:
        result = api.sweep(settings, *values, trial_steps=trial_steps, trials=trials, jobs=jobs, out=out)
    except KeyboardInterrupt:
        click.echo("\nTrials that are done are kept: the same command goes on with the others.", err=True)
        raise
    if str(json_file) != "-":
        view.show(result)
    if json_file is not None:
        write_json(json_file, result.to_json())
    sys.exit(0 if result.best else 1)
