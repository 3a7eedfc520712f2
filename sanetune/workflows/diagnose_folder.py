"""What the folder of a run knows of it beside its log: checkpoints that were saved, and what ended it."""

from __future__ import annotations

from pathlib import Path

from sanetune.curves.changes import last_step
from sanetune.curves.logs.find import checkpoints
from sanetune.curves.logs.log import Log
from sanetune.curves.series import Curve
from sanetune.errors import RunError
from sanetune.runs import Run
from sanetune.text import listing

WITHIN = ("checkpoints", "tensorboard")
"""Folders in that of a run which hold logs of it."""


def saved_steps(log: Log) -> list[int]:
    """The steps of the checkpoints that are saved."""
    return [int(one.name.removeprefix("checkpoint-")) for one in checkpoints(_home(log))]


def ended_by(log: Log, curve: Curve) -> str:
    """What ended the run at the last step of ``curve``, in words: our watch, which then says so in its report; empty
    where it did not."""
    run = Run(_home(log))
    try:
        ended = run.read_json(run.watch)["ended"]
        step, checks = int(ended["step"]), [str(one) for one in ended["checks"]]
    except (RunError, OSError, KeyError, TypeError, ValueError):
        return ""  # no watch, or none that ended the run
    return f"sanetune's watch ({listing(checks)})" if last_step(curve) <= step else ""


def _home(log: Log) -> Path:
    """The folder that the log belongs to."""
    home = log.path if log.path.is_dir() else log.path.parent
    while home.name.startswith("checkpoint-") or home.name in WITHIN:
        home = home.parent
    return home
