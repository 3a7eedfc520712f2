"""The work of the tool verify."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from sanetune.atomic import write_json
from sanetune.errors import ConfigError
from sanetune.mcp import findings
from sanetune.mcp.call import Call
from sanetune.mcp.checking import REPORT
from sanetune.mcp.confine import confine
from sanetune.mcp.next_steps import explained
from sanetune.mcp.replies import VerifyReply

HERE = ("127.0.0.1", "localhost", "::1")
"""Names of this machine: held-out prompts are sent to no other one."""


def verify(call: Call) -> VerifyReply:
    """Prove that a server on this machine, or a GGUF file, is the model that a run trained."""
    from sanetune.config.load import load
    from sanetune.runs import Run
    from sanetune.workflows.verify import Request, verify

    run = Run(call.roots.tree(call.text("run"), "the run"))
    if run.config.is_file():
        confine(load(run.config), call.roots)
    endpoint = call.text("endpoint")
    if endpoint and urlsplit(endpoint).hostname not in HERE:
        raise ConfigError(
            f"the server {endpoint} is not on this machine",
            "Held-out prompts would be sent to it, so that a person has to name it.",
            "Serve the model on 127.0.0.1, or have a person run sanetune verify.",
        )
    gguf: Path | None = call.roots.path(call.text("gguf"), "gguf") if call.text("gguf") else None
    request = Request(endpoint, gguf, call.text("model"), prompts=call.texts("prompts"), count=call.number("count", 8))
    report = verify(run.path, request, call.publish)
    write_json(call.home / REPORT, report.to_json())
    return VerifyReply(
        verdict=report.verdict.value,
        findings=list(findings.listed(report.findings)),
        passed=list(findings.passed(report)),
        skipped=list(findings.skipped(report)),
        report=f"sanetune://jobs/{call.home.name}/report",
        next=explained(report),
    )
