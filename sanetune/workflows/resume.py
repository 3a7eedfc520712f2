"""Whether there is anything to go on with: ``--resume`` without a checkpoint, or of a finished run, says so."""

from __future__ import annotations

import shlex

from sanetune import units
from sanetune.commands import command
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.engine import checkpoints
from sanetune.engine.checkpoints import ResumePoint
from sanetune.engine.watcher import Course
from sanetune.errors import ConfigError, RunError
from sanetune.gate.watch_report import WatchReport
from sanetune.runs import Run
from sanetune.text import shortest_path
from sanetune.workflows.run_state import read_state


def require_resumable(run: Run, config: Config) -> ResumePoint:
    """Return the checkpoint to go on from, after all that can be asked before the rows are prepared.

    Raises:
        RunError: The run cannot go on as ``config`` says.
    """
    found = require_checkpoint(run)
    require_not_stopped(run, config)
    require_same_engine(run, config)
    return found


def require_same_engine(run: Run, config: Config) -> None:
    """Raise :class:`RunError` where the run began with another ``train.engine``: the two draw and count for themselves,
    so that what follows would not be the run that began."""
    if not run.config.is_file():
        return
    try:
        began, now = load(run.config).train.engine, config.train.engine
    except ConfigError:  # of another version of sanetune, whose keys were others
        return
    if began != now:
        raise RunError(
            f"{shortest_path(run.path)} began with train.engine: {began}, and is to go on with {now}.",
            "Their checkpoints hold different random states and counts: it would be neither run.",
            f"Go on as it began: `{command('train', '--resume', f'train.engine={began}')}`, or begin a new run under "
            "another run.name.",
            config.place("train.engine"),
        )


def require_checkpoint(run: Run) -> ResumePoint:
    """Return the checkpoint to go on from; asked before anything that takes long.

    Raises:
        RunError: There is none, or it holds pickles.
    """
    found = checkpoints.resume_point(run.checkpoints)
    if found.path is not None:
        return found
    if run.finished:
        raise _finished(run, "")
    broken = "".join(f"; {path.name} is not whole ({fault})" for path, fault in found.skipped[:1])
    raise RunError(
        f"{shortest_path(run.path)} has no checkpoint to go on from{broken}.",
        "A run that begins anew must not look like one that went on.",
        f"Begin anew: `{command('train')}`. Checkpoints are written every train.save_steps.",
    )


def require_unfinished(run: Run, steps: int) -> None:
    """Raise :class:`RunError` where the run is finished and its ``steps`` (as planned now) are no more than before.

    A run that was killed between its model and its last file goes on: comparison, plots and card are made then.
    """
    last = checkpoints.latest(run.checkpoints)
    state = read_state(run)
    if last is None or not run.finished or (state is not None and state.phase not in ("finished", "running")):
        return
    if state is not None and state.phase == "running" and not state.is_alive:
        return
    planned = int(checkpoints.read_state(last).get("max_steps", 0))
    if steps <= planned:
        done = checkpoints.step_of(last) or 0
        how = f": its last checkpoint is of step {done:,} of {units.many(planned, 'step')}"
        raise _finished(run, how, early=done < planned)


def require_not_stopped(run: Run, config: Config) -> None:
    """Raise :class:`RunError` where the watch has stopped the run, and nothing says that it shall go on all the same:
    ``check.watch`` is still ``stop``."""
    if config.check.watch == "stop" and (stopped := stopped_by_watch(run)):
        raise stopped


def stopped_by_watch(run: Run) -> RunError | None:
    """Return what the watch has stopped the run for, and what to do about it; None where it has not."""
    if not run.watch.is_file():
        return None
    report = WatchReport.from_json(run.read_json(run.watch))
    ended = report.ended
    if ended is None or ended.course != Course.STOP.value:
        return None
    found = "; ".join(
        f"{one.live.finding.check}: {one.live.finding.message.rstrip('.')}"
        for one in report.findings
        if one.live.finding.check in ended.checks
    )
    at = next((one.live.at for one in report.findings if one.live.at and one.live.finding.check in ended.checks), 0)
    at = at or max(1, ended.step)
    before = [step for step in run.steps_saved if ended.checkpoint is None or step <= ended.checkpoint]
    return RunError(
        f"The watch has stopped this run after step {ended.step:,}: {found}.",
        f"It would go on from checkpoint-{before[-1]}, and into the same fault." if before else "",
        "Correct the cause and begin anew under another run.name, see "
        f"`sanetune replay {shlex.quote(shortest_path(run.path))} --step {at}`, or go on all the same: "
        f"`{command('train', '--resume', 'check.watch=warn')}`.",
    )


def _finished(run: Run, how: str, *, early: bool = False) -> RunError:
    folder = shlex.quote(shortest_path(run.path))
    return RunError(
        f"The run in {shortest_path(run.path)} is finished{how}.",
        "check.watch or train.early_stopping_patience ended it early." if early else "There is nothing left to train.",
        f"Compare it: `sanetune compare {folder}`. To train it for longer, raise train.num_train_epochs or "
        "train.max_steps and resume again; for another run, choose another run.name.",
    )
