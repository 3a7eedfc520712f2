"""The command `sanetune compare`."""

from __future__ import annotations

from pathlib import Path

import click

from sanetune.cli import guarded, json_option, run_argument, write_json


@click.command(name="compare")
@run_argument
@click.option("--prompt", "prompts", metavar="TEXT", multiple=True, help="A prompt of your own (repeatable).")
@click.option("-n", "count", type=click.IntRange(min=0), default=5, show_default=True, help="Validation rows to ask.")
@json_option
@guarded
def command(run: Path, prompts: tuple[str, ...], count: int, json_file: Path | None) -> None:
    """Compare base and tuned model of RUN.

    Both answer the same prompts with the same greedy decoding; the validation loss of both is shown too.
    """
    from sanetune import api
    from sanetune.report.terminal import compare as view

    result = api.compare(run, prompts=list(prompts), count=count)
    if str(json_file) != "-":
        view.show(result)
    if json_file is not None:
        write_json(json_file, result.to_json())
