"""The command `sanetune data`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from sanetune.cli import ConfigCommand, config_argument, guarded, json_option, opened, write_json

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.prepared import Prepared


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
@click.option(
    "--export",
    "provider",
    type=click.Choice(["openai", "together", "fireworks"]),
    help="Write the rows as training files of this provider's API instead, and check its limits.",
)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Folder of --export. Default: its name.")
@click.option(
    "--price", metavar="USD", type=click.FloatRange(min=0), help="Dollars of a million trained tokens, for --export."
)
@json_option
@guarded
def command(
    config: Path,
    overrides: tuple[str, ...],
    count: int,
    split: str,
    provider: str | None,
    out: Path | None,
    price: float | None,
    json_file: Path | None,
) -> None:
    """Show what CONFIG trains on: lengths, dropped rows, and examples with the tokens in the loss marked.

    They are coloured on a terminal, and in brackets in a file, a pipe or with NO_COLOR.

    --export writes train.jsonl and validation.jsonl for a provider's API, with masked turns as weight 0; exit code 1:
    one of its limits is not kept.

    --json writes the first -n examples with exactly the labels that the trainer gets.

    OVERRIDE: section.key=value, as in data.loss_on=last
    """
    if provider is None and (out is not None or price is not None):
        option = "--out" if out is not None else "--price"
        raise click.UsageError(f"{option} is for --export PROVIDER: give both, or neither.")
    settings = opened(config, overrides)

    from sanetune import api
    from sanetune.report.terminal import data as view

    prepared = api.prepare(settings)
    if provider is not None:
        _export(settings, prepared, provider, out, price, json_file)
    if str(json_file) != "-":
        view.show(prepared, split=split, count=count)
    if json_file is not None:
        write_json(json_file, view.figures(prepared, split=split, count=count))


def _export(
    settings: Config, prepared: Prepared, name: str, out: Path | None, price: float | None, json_file: Path | None
) -> NoReturn:
    from sanetune.report.terminal.exported import show
    from sanetune.workflows.provider_export.export import export
    from sanetune.workflows.provider_export.providers import PROVIDERS

    found = export(settings, prepared, PROVIDERS[name], out or Path(name), price)
    if str(json_file) != "-":
        show(found)
    if json_file is not None:
        write_json(json_file, found.to_json())
    sys.exit(1 if found.problems else 0)
