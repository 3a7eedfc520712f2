"""The command `sanetune mcp`."""

from __future__ import annotations

import importlib.util
import os
import secrets
from pathlib import Path

import click

from sanetune.cli import guarded
from sanetune.errors import UserError

TOKEN = "SANETUNE_MCP_TOKEN"
"""The variable with the token of --http."""
SHORTEST = 16
"""Characters that a token has at least."""


@click.command(name="mcp")
@click.option(
    "--root",
    "roots",
    metavar="DIR",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder that the agent may use (repeatable). Default: the current one.",
)
@click.option("--http", is_flag=True, help="Serve over streamable HTTP on 127.0.0.1 instead of stdio.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="For --http. Default: a free one.")
@guarded
def command(roots: tuple[Path, ...], http: bool, port: int) -> None:
    """Serve sanetune's commands to a coding agent, over the Model Context Protocol.

    Tools: init, data, plan, check, fix, train, status, stop, diagnose, compare, verify, explain. Every path is confined
    to the folders of --root, also those inside a configuration; model code of others is refused; train needs a
    clearance. What takes long runs as a job of its own, which goes on when the server ends.

    \b
    A client starts it itself, as after
      claude mcp add sanetune -- sanetune mcp --root .

    With --http a client sends the token in SANETUNE_MCP_TOKEN, or the one that is printed, as its bearer token.
    """
    if port and not http:
        raise UserError("--port is for --http.", remedy="Add --http, or leave --port out.")
    if importlib.util.find_spec("mcp") is None:
        raise UserError(
            "sanetune mcp needs the package mcp, which is not installed.",
            "It is the official SDK of the Model Context Protocol.",
            "pip install 'sanetune[mcp]'",
        )
    from sanetune.mcp.roots import Roots
    from sanetune.mcp.server import serve_http, serve_stdio

    allowed = Roots(roots or [Path.cwd()])
    if not http:
        serve_stdio(allowed)
        return
    given = _given_token()
    token = given or secrets.token_urlsafe(32)

    def ready(address: str) -> None:
        click.echo(f"{address}\nFolders: {allowed}", err=True)
        if not given:
            click.echo(f"Authorization: Bearer {token}", err=True)

    serve_http(allowed, token, port, ready)


def _given_token() -> str:
    """The token in the environment, which is taken out of it: jobs need none; "" where there is none."""
    token = os.environ.pop(TOKEN, "")
    if token and len(token) < SHORTEST:
        raise UserError(
            f"{TOKEN} has fewer than {SHORTEST} characters.",
            "Any program on this machine could guess it.",
            "Leave it unset: a new one is printed.",
        )
    return token
