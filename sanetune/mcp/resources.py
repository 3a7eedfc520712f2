"""Resources: pages of checks, reports of jobs, and cards of runs."""

from __future__ import annotations

from pathlib import Path

from mcp.server import MCPServer
from mcp.server.mcpserver import ResourceSecurity
from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from sanetune.errors import UserError
from sanetune.mcp.answering import pages_of
from sanetune.mcp.jobs import Jobs
from sanetune.mcp.roots import Roots
from sanetune.runs import Run

LARGEST = 20_000_000
"""Bytes of a file that is sent."""


def add_resources(server: MCPServer, roots: Roots, jobs: Jobs) -> None:
    """Add the resources to ``server``.

    Args:
        server: Gets them.
        roots: What paths are confined to.
        jobs: Those of these roots.
    """

    @server.resource("sanetune://checks", title="All checks", mime_type="text/markdown")
    def checks() -> str:
        """Every check with its fault, by family."""
        from sanetune.gate.catalogue import catalogue
        from sanetune.report.check_pages import index

        return index(list(catalogue().values()))

    @server.resource("sanetune://checks/{name}", title="Page of a check", mime_type="text/markdown")
    def check(name: str) -> str:
        """What a check does, why its fault is bad, an example, what to use instead, and its limits."""
        try:
            return "\n\n".join(pages_of(name).values())
        except UserError as error:
            raise ResourceNotFoundError(str(error)) from None

    @server.resource("sanetune://jobs/{job}/report", title="Whole report of a job", mime_type="application/json")
    def report(job: str) -> str:
        """Every finding of a check or diagnosis, with all numbers, witnesses and experiments."""
        return _file(jobs, job, "report.json")

    @server.resource("sanetune://jobs/{job}/page", title="Page of a check", mime_type="text/html")
    def page(job: str) -> str:
        """The HTML page of a check that was called with page."""
        return _file(jobs, job, "report.html")

    # Whether the path is below a root is decided here, with links followed; the library's rule allows no absolute one.
    @server.resource(
        "sanetune://runs/{+run}/card",
        title="Model card of a run",
        mime_type="text/markdown",
        security=ResourceSecurity(exempt_params={"run"}),
    )
    def card(run: str) -> str:
        """What was trained, how it was checked, and what came of it."""
        try:
            folder = roots.path(run, "the run")
            return _text(roots.path(Run.open(folder).model / "README.md", "the card"))
        except UserError as error:
            raise ResourceNotFoundError(str(error)) from None


def _file(jobs: Jobs, job: str, name: str) -> str:
    try:
        return _text(jobs.find(job).folder / name)
    except UserError as error:
        raise ResourceNotFoundError(str(error)) from None


def _text(file: Path) -> str:
    if not file.is_file() or file.stat().st_size > LARGEST:
        raise ResourceNotFoundError(f"There is no {file.name}, or it is too large.")
    return file.read_text(encoding="utf-8", errors="replace")
