"""What an agent can do after a call, as calls of tools with their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sanetune.evidence.registry import LEVELS
from sanetune.finding import BAD, REFUSING, Report, Verdict
from sanetune.mcp.replies import Fault, Step, Values
from sanetune.workflows.clean import CLEANS

MOST_EXPLAINED = 3
"""Pages of checks that are proposed."""


def after_check(
    report: Report, config: Path, overrides: Sequence[str], *, asked: str, required: str, cleared: bool
) -> list[Step]:
    """Return what can follow a check.

    Args:
        report: What it found.
        config: The file.
        overrides: Those of the call.
        asked: Level of the check.
        required: Level that a clearance needs.
        cleared: Whether it left a clearance.
    """
    same = _same(config, overrides)
    if report.verdict is not Verdict.FAIL:
        if cleared:
            return [Step(tool="train", arguments=same, reason="The run has a clearance.")]
        if LEVELS.index(asked) < LEVELS.index(required):
            reason = f"Nothing failed at level {asked}; a clearance needs level {required}."
            return [Step(tool="check", arguments=same | {"level": required}, reason=reason)]
        return []
    steps = []
    fixes = {**(report.unusable.fix if report.unusable else {}), **report.fixes}
    if fixes:
        reason = "Values that findings propose."
        steps.append(Step(tool="fix", arguments={"config": str(config), "changes": fixes}, reason=reason))
    steps += _cleaning(report, config)
    for finding in report.of(*REFUSING):
        if not finding.fix and finding.check not in CLEANS:
            steps.append(Step(tool="explain", arguments={"check": finding.check}, reason=finding.remedy))
    return [*steps[: MOST_EXPLAINED + 2], Step(tool="check", arguments=same, reason="Check again after each change.")]


def after_fix(config: Path, overrides: Sequence[str]) -> list[Step]:
    """Return what can follow a change of the file."""
    return [Step(tool="check", arguments=_same(config, overrides), reason="Whether the changes were enough.")]


def after_error(fault: Fault, tool: str, arguments: Values) -> list[Step]:
    """Return what can follow an error that knows the value to set."""
    config = arguments.get("config")
    if not fault.fix or not isinstance(config, str):
        return []
    steps = [Step(tool="fix", arguments={"config": config, "changes": fault.fix}, reason=fault.remedy)]
    return [*steps, Step(tool=tool, arguments=arguments, reason="Then again.")]


def after_run(run: Path, phase: str) -> list[Step]:
    """Return what can follow the state of a run.

    Args:
        run: Its folder.
        phase: As :class:`sanetune.mcp.replies.RunReply` has it.
    """
    if phase in ("running", "unknown"):
        return [Step(tool="status", arguments={"run": str(run), "wait_seconds": 60}, reason="It is not over.")]
    if phase == "finished":
        return [Step(tool="compare", arguments={"runs": [str(run)]}, reason="Whether the tuned model is better.")]
    return [Step(tool="diagnose", arguments={"logs": [str(run)]}, reason="What its curve shows.")]


def explained(report: Report) -> list[Step]:
    """Return the pages of the first findings that ask for something."""
    found = report.of(*BAD)[:MOST_EXPLAINED]
    return [Step(tool="explain", arguments={"check": one.check}, reason=one.remedy) for one in found]


def _cleaning(report: Report, config: Path) -> list[Step]:
    """A cleaned copy, where rows are the fault."""
    names = [finding.check for finding in report.of(*REFUSING, Verdict.WARN) if finding.check in CLEANS]
    if not any(finding.check in CLEANS for finding in report.of(*REFUSING)):
        return []
    reason = f"{', '.join(names)}: writes a copy without these rows, logs each, and names it in the configuration."
    return [
        Step(tool="fix", arguments={"config": str(config), "clean": str(free_folder(config.parent))}, reason=reason)
    ]


def free_folder(home: Path) -> Path:
    """Return a folder below ``home`` for a cleaned copy that is not there yet."""
    number = 1
    while (folder := home / f"cleaned{'' if number == 1 else f'-{number}'}").exists():
        number += 1
    return folder


def _same(config: Path, overrides: Sequence[str]) -> Values:
    return {"config": str(config)} | ({"overrides": list(overrides)} if overrides else {})
