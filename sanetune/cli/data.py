"""The command `sanetune data`."""

from __future__ import annotations

from pathlib import Path

import click

from sanetune.cli import ConfigCommand, config_argument, guarded, json_option, opened, write_json


@click.command(name="data", cls=ConfigCommand)
@config_argument
@click.option("-n", "count", type=click.IntRange(min=0), default=3, show_default=True, help="Examples to show.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation"]),
    default="train",
    show_default=True,
    help="The split that examples are taken from.",
)
@json_option
@guarded
def command(config: Path, overrides: tuple[str, ...], count: int, split: str, json_file: Path | None) -> None:
    """Show what CONFIG trains on: lengths, dropped rows, and examples with the tokens in the loss marked.

    They are coloured on a terminal, and in brackets in a file, a pipe or with NO_COLOR.

    --json writes the first -n examples with exactly the labels that the trainer gets.

    OVERRIDE: section.key=value, as in data.loss_on=last
    """
    settings = opened(config, overrides)

    from sanetune import api
    from sanetune.report.terminal import data as view

    prepared = api.prepare(settings)
    if str(json_file) != "-":
        view.show(prepared, split=split, count=count)
    if json_file is not None:
        write_json(json_file, view.figures(prepared, split=split, count=count))
