"""The work behind each tool: made in the process of a job, from the arguments of the call to its reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sanetune.commands import typed
from sanetune.mcp import checking, configuring, fixing, running, serving
from sanetune.mcp.call import Call
from sanetune.mcp.progress import ProgressFile
from sanetune.mcp.replies import Reply
from sanetune.mcp.roots import Roots

WORK: Mapping[str, Callable[[Call], Reply]] = {
    "init": configuring.init,
    "data": configuring.data,
    "plan": configuring.plan,
    "check": checking.check,
    "fix": fixing.fix,
    "train": running.train,
    "compare": running.compare,
    "diagnose": running.diagnose,
    "verify": serving.verify,
}
"""Tool -> its work."""


def do(home: Path, request: Mapping[str, object]) -> dict[str, object]:
    """Do the work of ``request``, and return its reply as plain values.

    Args:
        home: Folder of the job.
        request: Tool, arguments and roots.
    """
    arguments, roots = request["arguments"], request["roots"]
    assert isinstance(arguments, dict) and isinstance(roots, list)
    call = Call(home, arguments, Roots(roots), ProgressFile(home / "progress.json"))
    with typed(call.text("config") or "CONFIG", call.overrides):
        return WORK[str(request["tool"])](call).model_dump(mode="json", exclude={"job", "state", "progress"})
