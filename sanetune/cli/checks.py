"""The command `sanetune checks`."""

from __future__ import annotations

import click

from sanetune.cli import guarded


@click.command(name="checks")
@guarded
def command() -> None:
    """List all checks, by family, each with the fault that it finds."""
    from sanetune.gate.catalogue import catalogue
    from sanetune.report.check_pages import listing

    click.echo(listing(list(catalogue().values())))
