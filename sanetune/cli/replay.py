"""The command `sanetune replay`."""

from __future__ import annotations

from pathlib import Path

import click

from sanetune.cli import guarded, json_option, run_argument, write_json


@click.command(name="replay")
@run_argument
@click.option("--step", type=click.IntRange(min=1), required=True, metavar="K", help="The optimizer step, from 1.")
@json_option
@guarded
def command(run: Path, step: int, json_file: Path | None) -> None:
    """Make step K of RUN again, and show its rows, each with its own loss and gradient norm.

    The state is rebuilt from the last checkpoint before the step and the steps in between. Nothing is written into RUN.
    """
    from sanetune import api

    result = api.replay(run, step)
    if str(json_file) != "-":
        from sanetune.report.terminal import replay as view

        view.show(result)
    if json_file is not None:
        write_json(json_file, result.to_json())
