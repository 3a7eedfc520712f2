"""The command `sanetune demo`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sanetune.cli import guarded, json_option, write_json

FAULTS = ("rate", "prompt-loss", "no-stop", "shuffled", "leak", "cut")


@click.command(name="demo")
@click.option(
    "--fault",
    type=click.Choice(FAULTS),
    help="Inject this fault: see it refused, fixed, cleared and trained.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("demo-run"),
    show_default=True,
    help="Folder of the run.",
)
@json_option
@guarded
def command(fault: str | None, out: Path, json_file: Path | None) -> None:
    """Run everything on an embedded model and data: plan, masks, check, training, answers before and after.

    It takes under four minutes on two cores, and writes its figures to DIR/demo.json. With --fault it goes wrong
    first. Exit code 0: everything went as it should; 1: it did not.
    """
    from rich.console import Console

    console = Console(highlight=False, stderr=str(json_file) == "-")
    from sanetune.demo.threads import set_fastest

    set_fastest()
    if fault is None:
        from sanetune.demo import run

        figures = run.run(out, console)
    else:
        from sanetune.demo import fault_run, faults

        figures = fault_run.run(faults.FAULTS[fault], out, console)
    if json_file is not None:
        write_json(json_file, figures)
    sys.exit(0 if figures["completed"] else 1)
