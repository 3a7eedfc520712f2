"""The command `sanetune explain`."""

from __future__ import annotations

import click

from sanetune.cli import complete_check, guarded


@click.command(name="explain")
@click.argument("name", metavar="CHECK", shell_complete=complete_check)
@guarded
def command(name: str) -> None:
    """Show the page of CHECK, or of every check of a family.

    A page says what the check does, why it is bad, an example and what to use instead, known problems, and its limits.
    """
    from sanetune.gate.catalogue import known
    from sanetune.report.check_pages import text

    click.echo("\n\n".join(text(check) for check in known(name)))
