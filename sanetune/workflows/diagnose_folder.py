"""What the folder of a run has beside its log: its checkpoints, what the watch had found, and whether that ended it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sanetune.curves.changes import last_step
from sanetune.curves.logs import watch_words
from sanetune.curves.logs.find import checkpoints
from sanetune.curves.logs.log import Log
from sanetune.curves.logs.tensorboard_events import KIND as TENSORBOARD
from sanetune.curves.series import Curve
from sanetune.errors import RunError
from sanetune.finding import BAD
from sanetune.gate.watch_report import WatchFinding, WatchReport
from sanetune.runs import Run

WITHIN = ("checkpoints", "tensorboard")
"""Folders in that of a run which hold logs of it."""


def saved_steps(log: Log) -> list[int]:
    """The steps of the checkpoints that are saved."""
    return [int(one.name.removeprefix("checkpoint-")) for one in checkpoints(_home(log))]


def ended_by(log: Log, curve: Curve) -> str:
    """What ended the run at the last step of ``curve``, in words: our watch, which then says so in its report or in
    what the run printed; empty where it did not."""
    if words := watch_words.ended_by(log.entries):
        return words
    run = Run(_home(log))
    try:
        ended = run.read_json(run.watch)["ended"]
        step, checks = int(ended["step"]), [str(one) for one in ended["checks"]]
    except (RunError, OSError, KeyError, TypeError, ValueError):
        return ""  # no watch, or none that ended the run
    return watch_words.in_words(checks) if last_step(curve) <= step else ""


def watch_findings(log: Log, known: Collection[str]) -> list[WatchFinding]:
    """What our watch had found in the run while it trained, the worst of each check, without the checks in ``known``.

    It has judged each moment, with the gradients and rows of it, so that it may have seen what the whole log no longer
    shows.
    """
    run = Run(_home(log))
    try:
        found = WatchReport.from_json(run.read_json(run.watch)).findings
    except (RunError, OSError, KeyError, TypeError, ValueError, AttributeError):
        return []  # no watch, or a damaged report of one
    worst: dict[str, WatchFinding] = {}
    for one in found:
        finding = one.live.finding
        plain = isinstance(one.live.step, int) and isinstance(finding.message, str)
        if plain and finding.check not in known and finding.verdict in BAD:
            worst[finding.check] = max(worst.get(finding.check, one), one, key=_rank)
    return list(worst.values())


def _rank(one: WatchFinding) -> int:
    return one.live.finding.verdict.rank


def _home(log: Log) -> Path:
    """The folder that the log belongs to. TensorBoard's is ``runs/DATE_HOST`` in that of a Trainer, which is told by
    the report of the watch: ``runs/NAME`` may be the folder of a run itself."""
    home = log.path if log.path.is_dir() else log.path.parent
    while home.name.startswith("checkpoint-") or home.name in WITHIN:
        home = home.parent
    above = home.parent.parent
    within = log.kind == TENSORBOARD and home.parent.name == "runs" and not Run(home).watch.is_file()
    return above if within and Run(above).watch.is_file() else home
