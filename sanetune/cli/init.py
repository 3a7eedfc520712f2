"""The command `sanetune init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sanetune.cli import guarded

if TYPE_CHECKING:
    from sanetune.planning.learning_rates import Method


@click.command(name="init")
@click.argument("model", metavar="MODEL")
@click.argument("data", metavar="DATA", nargs=-1, required=True)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=Path("sanetune.yaml"),
    show_default=True,
    help="The file to write.",
)
@click.option(
    "--method",
    type=click.Choice(["full", "lora", "qlora"]),
    help="All weights, an adapter, or an adapter on quantised weights. Default: what fits into memory.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there already.")
@guarded
def command(model: str, data: tuple[str, ...], out: Path, method: Method | None, force: bool) -> None:
    """Write a commented sanetune.yaml for MODEL and DATA, every value with its reason.

    MODEL is a folder or an id on the Hub; DATA one or several files, folders or ids of data sets.
    """
    from sanetune.workflows.init import write_config

    write_config(model, list(data), out, method=method, force=force)
    click.echo(f"Wrote {out}")
    file = shlex.quote(str(out))
    click.echo(f"Next: sanetune data {file}   which tokens are in the loss")
    click.echo(f"      sanetune plan {file}   what a run will do")
    click.echo(f"      sanetune check {file}  what is wrong with it")
    click.echo(f"      sanetune train {file}")
