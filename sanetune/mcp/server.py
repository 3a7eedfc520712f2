"""The server: tools, resources and prompts put together, and the two transports."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Callable

import anyio
from mcp.server import MCPServer
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.tools import Tool

from sanetune import __version__
from sanetune.errors import UserError
from sanetune.mcp import prompts
from sanetune.mcp.jobs import Jobs
from sanetune.mcp.resources import add_resources
from sanetune.mcp.roots import Roots
from sanetune.mcp.tools import READS, WRITES, Tools

ADDRESS = "127.0.0.1"
"""The only address that is listened on."""
TITLES = {
    "init": "Write a configuration",
    "data": "Show what is trained on",
    "plan": "Plan a run",
    "check": "Check a configuration",
    "fix": "Fix a configuration",
    "train": "Train a cleared run",
    "status": "Status of jobs and runs",
    "stop": "Stop a job",
    "diagnose": "Diagnose a log",
    "compare": "Compare models",
    "verify": "Verify a served model",
    "explain": "Explain a check",
}
"""Tool -> what a client calls it."""
READING = {"data", "plan", "status", "diagnose", "explain"}
"""Tools that change nothing."""


class OneToken:
    """Accepts one token, which whoever started the server knows."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return who asks; None where the token is another."""
        same = hmac.compare_digest(token.encode(), self._token)
        return AccessToken(token=token, client_id="agent", scopes=[]) if same else None


def build(roots: Roots, jobs: Jobs, token: str = "") -> MCPServer:
    """Return a server for ``roots``.

    Args:
        roots: What paths are confined to.
        jobs: Those of these roots.
        token: What a client has to send over HTTP; empty: nothing, which is for stdio alone.
    """
    # No server issues tokens: the address is needed by the SDK's settings, and sent to nobody.
    auth = AuthSettings.model_validate({"issuer_url": f"http://{ADDRESS}", "resource_server_url": None})
    tools = Tools(roots, jobs)
    server = MCPServer(
        "sanetune",
        tools=[_strict(getattr(tools, name), name, title) for name, title in TITLES.items()],
        title="sanetune",
        instructions=f"{prompts.INSTRUCTIONS}Paths are confined to {roots}; relative ones start from the first.",
        version=__version__,
        log_level="WARNING",
        auth=auth if token else None,
        token_verifier=OneToken(token) if token else None,
    )
    for prompt in (prompts.fine_tune, prompts.repair, prompts.watch):
        server.add_prompt(Prompt.from_function(prompt))
    add_resources(server, roots, jobs)
    return server


def _strict(function: Callable[..., object], name: str, title: str) -> Tool:
    """A tool that refuses an argument that it does not have: without a misspelled `level` it would make a trial."""
    tool = Tool.from_function(function, name, title, annotations=READS if name in READING else WRITES)
    arguments = tool.fn_metadata.arg_model
    arguments.model_config["extra"] = "forbid"
    arguments.model_rebuild(force=True)
    tool.parameters = arguments.model_json_schema(by_alias=True)
    return tool


def serve_stdio(roots: Roots) -> None:
    """Serve one client over standard input and output, until it closes them."""
    jobs = Jobs(roots)
    try:
        build(roots, jobs).run("stdio")
    finally:
        jobs.close()


def serve_http(roots: Roots, token: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve clients over streamable HTTP on this machine, until the process is asked to end.

    Args:
        roots: What paths are confined to.
        token: What a client has to send as its bearer token.
        port: 0: a free one.
        ready: Gets the address once it is listened on.

    Raises:
        UserError: The port is taken.
    """
    import uvicorn

    jobs = Jobs(roots)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
            listener.listen()
        except OSError as error:
            raise UserError(
                f"Port {port} of {ADDRESS} cannot be listened on: {error.strerror or error}",
                remedy="Give another --port, or leave it out for a free one.",
            ) from None
        app = build(roots, jobs, token).streamable_http_app(host=ADDRESS)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2))
        ready(f"http://{ADDRESS}:{listener.getsockname()[1]}/mcp")
        try:
            anyio.run(server.serve, [listener])
        finally:
            jobs.close()
