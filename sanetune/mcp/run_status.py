"""The state of a run, from its folder alone: it is the same before and after a server was started again."""

from __future__ import annotations

from pathlib import Path

from sanetune.engine.metrics import Record, read
from sanetune.errors import RunError
from sanetune.gate.clearance_file import read_clearance
from sanetune.gate.watch_report import WatchReport
from sanetune.mcp import findings
from sanetune.mcp.next_steps import after_run
from sanetune.mcp.replies import RunReply
from sanetune.report.html.status import status_of
from sanetune.runs import Run
from sanetune.workflows.run_state import read_state


def status(folder: Path) -> RunReply:
    """Return what the files of the run in ``folder`` say.

    Raises:
        RunError: It is no run.
    """
    run = Run.open(folder)
    records = _records(run)
    watch = _watch(run)
    found = status_of(run, records, watch.ended if watch else None)
    state, (clearance, _) = read_state(run), read_clearance(run)
    phase = found.kind if found else "unknown"
    trained = [one.loss for one in records if one.kind == "train"]
    validated = [one.loss for one in records if one.kind == "validation"]
    fired = [findings.reply_of(one.to_json()) for one in watch.findings] if watch else []
    return RunReply.model_validate(
        {
            "run": str(run.path),
            "phase": phase,
            "text": f"{found.title}: {found.text}".rstrip(": ") if found else "It has not begun.",
            "step": records[-1].step if records else 0,
            "total_steps": state.total_steps if state else 0,
            "loss": trained[-1] if trained else None,
            "validation_loss": validated[-1] if validated else None,
            "first_validation_loss": validated[0] if validated else None,
            "cleared": clearance is not None and clearance.proves,
            "findings": fired,
            "card": f"sanetune://runs/{run.path}/card" if (run.model / "README.md").is_file() else "",
            "next": after_run(run.path, phase),
        }
    )


def _records(run: Run) -> list[Record]:
    try:
        return read(run.metrics) if run.metrics.is_file() else []
    except (RunError, OSError, ValueError):
        return []


def _watch(run: Run) -> WatchReport | None:
    try:
        return WatchReport.from_json(run.read_json(run.watch)) if run.watch.is_file() else None
    except (RunError, OSError, KeyError, TypeError, ValueError, AttributeError):
        return None
