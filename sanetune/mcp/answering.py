"""From a job, an error or a reply to what the protocol sends."""

from __future__ import annotations

from mcp.types import CallToolResult, TextContent

from sanetune.errors import UserError
from sanetune.mcp import replies
from sanetune.mcp.job_folder import Job
from sanetune.mcp.next_steps import after_error
from sanetune.mcp.replies import Fault, Reply, Step
from sanetune.text import escape_control

REPLIES: dict[str, type[Reply]] = {
    "init": replies.InitReply,
    "data": replies.DataReply,
    "plan": replies.PlanReply,
    "check": replies.CheckReply,
    "fix": replies.FixReply,
    "train": replies.RunReply,
    "compare": replies.CompareReply,
    "diagnose": replies.DiagnoseReply,
    "verify": replies.VerifyReply,
}
"""Tool -> what it returns, of tools that start a job."""


def reply_of(job: Job) -> Reply:
    """Return what the tool behind ``job`` returns: its result, how far it is, or why it failed."""
    kind, state, result = REPLIES[job.tool], job.state, job.result
    arguments = job.request.get("arguments")
    if state == "running":
        step = Step(tool="status", arguments={"job": job.id, "wait_seconds": 60}, reason="It is not over.")
        return kind(job=job.id, state=state, progress=words_of(job), next=[step])
    if state == "finished":
        found = result["reply"]
        return kind.model_validate({**(found if isinstance(found, dict) else {}), "job": job.id, "state": state})
    fault = _fault(job, result.get("error"))
    steps = after_error(fault, job.tool, arguments if isinstance(arguments, dict) else {})
    return kind(job=job.id, state=state, error=fault, next=steps)


def words_of(job: Job) -> str:
    """Return how far a job is, in words; empty where it is over."""
    if job.state != "running":
        return ""
    now = job.progress
    part = f" ({now.done:,.0f} of {now.total:,.0f})" if now.total else ""
    return f"{now.phase}: {now.words}{part}"


def result_of(reply: Reply, *, failed: bool | None = None) -> CallToolResult:
    """Return a reply as the protocol has it: structured, and the same as text for clients that read texts alone.

    Args:
        reply: The reply.
        failed: Whether the call has failed; None: where the reply has an error.
    """
    return CallToolResult(
        content=[TextContent(type="text", text=reply.model_dump_json(exclude_defaults=True))],
        structured_content=reply.model_dump(mode="json"),
        is_error=reply.error is not None and reply.state != "stopped" if failed is None else failed,
    )


def refused(error: UserError, tool: str = "", arguments: replies.Values | None = None) -> CallToolResult:
    """Return an error that came before any job, as the protocol has it.

    Args:
        error: What happened.
        tool: The tool that was called.
        arguments: Those of the call.
    """
    fault = Fault(
        kind=type(error).__name__,
        message=escape_control(error.message),
        rationale=error.rationale,
        remedy=error.remedy,
        place="" if error.place is None else str(error.place),
        fix=error.fix,
    )
    steps = after_error(fault, tool, arguments or {})
    return result_of(Reply(state="failed", error=fault, next=steps))


def pages_of(name: str) -> dict[str, str]:
    """Return the page of a check, or of every check of a family, by name.

    Raises:
        ConfigError: There is none.
    """
    from sanetune.gate.catalogue import known
    from sanetune.report.check_pages import markdown

    return {check.name: markdown(check) for check in known(name)}


def _fault(job: Job, error: object) -> Fault:
    """Why a job has not done what was asked."""
    if isinstance(error, dict):
        return Fault.model_validate(error)
    if job.state == "stopped":
        return Fault(kind="Stopped", message="It was stopped.")
    return Fault(
        kind="Crash",
        message="The job's process has ended without a result.",
        rationale="A signal or a crash of a library ended it; the system kills a process where memory runs out.",
        remedy="Read its log below, and call again with smaller batches where memory was short.",
        place=job.last_words[-500:],
    )
