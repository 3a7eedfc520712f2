"""The command `sanetune init`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sanetune.cli import ConfigCommand, guarded
from sanetune.commands import typed_init
from sanetune.text import escape_control

if TYPE_CHECKING:
    from sanetune.forecast.memory import Sharding
    from sanetune.planning.learning_rates import Method

TYPED = "sanetune.init.typed"
"""Where click keeps all that was typed after the command's name."""


class InitCommand(ConfigCommand):
    """The command, which knows all that was typed after its name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[TYPED] = tuple(args)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[OVERRIDE]..."]


@click.command(name="init", cls=InitCommand)
@click.argument("model", metavar="MODEL", required=False)
@click.argument("data", metavar="DATA", nargs=-1)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Convert this YAML file of Axolotl, LLaMA-Factory or `trl sft`; MODEL and DATA are in it.",
)
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
@click.option("--devices", metavar="N", type=click.IntRange(1), help="Devices that train together (run.devices).")
@click.option(
    "--sharding",
    type=click.Choice(["ddp", "fsdp", "zero2", "zero3"]),
    help="How they share the model: each has all of it, or FSDP2 or DeepSpeed divides it. Default: ddp.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there already.")
@guarded
def command(
    model: str | None,
    data: tuple[str, ...],
    source: Path | None,
    out: Path,
    method: Method | None,
    devices: int | None,
    sharding: Sharding | None,
    force: bool,
) -> None:
    """Write a commented sanetune.yaml for MODEL and DATA, every value with its reason.

    MODEL is a folder or an id on the Hub; DATA one or several files, folders or ids of data sets. Values given as
    OVERRIDE, such as data.on_bad_row=skip, are written into the file.
    """
    from sanetune.config.override import parted

    named, overrides = parted([word for word in (model, *data) if word is not None])
    if devices is not None or sharding is not None:
        from sanetune.workflows.sharding_keys import sharding_overrides

        overrides += sharding_overrides(devices or 1, sharding, out)
    if source is not None:
        if named or method:
            raise click.UsageError("--from FILE names model, data and method: leave MODEL, DATA and --method out.")
        _convert(source, out, overrides, force)
    elif len(named) < 2:
        raise click.UsageError("Give MODEL and DATA, or --from FILE.")
    else:
        from sanetune.workflows.init import write_config

        with typed_init(click.get_current_context().meta[TYPED]):
            write_config(named[0], named[1:], out, overrides=overrides, method=method, force=force)
    click.echo(f"Wrote {out}")
    file = shlex.quote(str(out))
    click.echo(f"Next: sanetune data {file}   which tokens are in the loss")
    click.echo(f"      sanetune plan {file}   what a run will do")
    click.echo(f"      sanetune check {file}  what is wrong with it")
    click.echo(f"      sanetune train {file}")


def _convert(source: Path, out: Path, overrides: Sequence[str], force: bool) -> None:
    from sanetune.workflows.configuration import convert

    _, notes = convert(source, out, overrides=overrides, force=force)
    for note in notes:
        click.echo(escape_control(f"! {note}", strict=True), err=True)
