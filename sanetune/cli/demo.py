"""sanetune demo."""

from __future__ import annotations

from pathlib import Path

import click

from sanetune.cli import guarded


@click.command(name="demo")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("demo-run"),
    show_default=True,
    help="Folder of the run.",
)
@guarded
def command(out: Path) -> None:
    """Tell the whole story on the embedded model and data: plan, masks, training, answers before and after.

    It takes under three minutes on two cores, and writes its figures to DIR/demo.json.
    """
    from sanetune.demo.story import tell

    tell(out)
