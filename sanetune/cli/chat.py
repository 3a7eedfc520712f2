"""The command `sanetune chat`."""

from __future__ import annotations

from pathlib import Path

import click

from sanetune.cli import guarded, run_argument


@click.command(name="chat")
@run_argument
@click.option(
    "--max-new-tokens",
    type=click.IntRange(min=1),
    default=512,
    show_default=True,
    help="Tokens that an answer may have.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="0 always takes the most likely token; above, tokens are drawn.",
)
@click.option("--base", is_flag=True, help="Talk to the base model instead of the tuned one.")
@guarded
def command(run: Path, max_new_tokens: int, temperature: float, base: bool) -> None:
    """Talk to the tuned model of RUN; its answers appear token by token, as they are written."""
    from sanetune import api

    api.chat(run, max_new_tokens=max_new_tokens, temperature=temperature, base=base)
